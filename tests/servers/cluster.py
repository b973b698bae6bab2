"""A highly available PostgreSQL on this machine: three etcd, two or three Patroni nodes, one of them the leader.

    with Cluster(nodes=3) as cluster:
        cluster.url("ledger")        every node's address; the client library finds the one that accepts writes
        cluster.kill_leader()        kill -9 of the leader's Patroni and of every process of its server

Synchronous mode is strict: a commit is answered when a second node has it, or not at all. Everything runs as the
user of `tests.servers.postgres`, on free ports, under one folder. This is also the way to start one by hand:

    python -m tests.servers.cluster      starts it, prints its URL and the nodes, and stops it at the end of input

Nodes of one machine share its disk, its power and its clock: what is shown is how programs die, not machines.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.dying import kill_all
from tests.servers import postgres
from tests.servers.ports import free_port
from tests.servers.postgres import as_user, private_folder, programs

SECONDS = 40
TTL_SECONDS = 20
SCOPE = "tenge"


def missing() -> str:
    """What the cluster lacks here, as a sentence with how to have it; empty when nothing."""
    if shutil.which("etcd") is None:
        return "etcd is not installed; on Debian and Ubuntu: apt-get install etcd-server"
    if importlib.util.find_spec("patroni") is None:
        return "Patroni is not installed; pip install -e .[ha]"
    return postgres.missing()


def unreadable() -> str:
    """Why the server's user cannot run Patroni from here, as a sentence; empty when it can."""
    return (
        "" if _python() else "the user `postgres` cannot read this Python's packages: put the clone elsewhere"
    )


def _python() -> list[str]:
    """A Python that the server's user may run, with this one's packages and no other's; empty without one."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, system):
        command = ["env", f"PYTHONPATH={packages}", "PYTHONDONTWRITEBYTECODE=1", python, "-S"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [*command, "-c", "import patroni.dcs.etcd3, psycopg"],
                check=True,
                capture_output=True,
                cwd="/",
                **as_user(),
            )
            return command
    return []


def orphans_end() -> list[str]:
    """What a command begins with so that it ends in order when whoever started it is killed; empty without setpriv."""
    # The system means the thread that started it: start a cluster from a thread that outlives it.
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "TERM"]


class Program:
    """One program of the cluster, with its log; it can be killed with all its children and started again."""

    def __init__(self, name: str, folder: Path, command: list[str], data: Path) -> None:
        self.name = name
        self.data = data
        self._log = folder / f"{name}.log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._family: list[psutil.Process] = []

    def start(self) -> None:
        """Start it, when what was killed of it is gone."""
        psutil.wait_procs(self._family, SECONDS)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*orphans_end(), *self._command],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **as_user(),
            )

    def processes(self) -> list[psutil.Process]:
        """Itself, and the server that it looks after, which is no child of it."""
        family: list[psutil.Process] = []
        if self._process is not None:
            with contextlib.suppress(psutil.Error):
                family.append(psutil.Process(self._process.pid))
        family += self.server()
        return family

    def server(self) -> list[psutil.Process]:
        """The postmaster over this node's folder with its children, wherever they hang in the tree."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
            postmaster = psutil.Process(pid)
            return (
                [postmaster, *postmaster.children(recursive=True)] if "postgres" in postmaster.name() else []
            )
        except (OSError, ValueError, IndexError, psutil.Error):
            return []

    def kill(self, what: list[psutil.Process] | None = None) -> None:
        """kill -9 of everything of it, or of a part."""
        self._family = self.processes() if what is None else what
        kill_all(self._family)
        if self._process is not None and self._process.poll() is None and what is None:
            self._process.wait(SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-1_500:] if self._log.exists() else ""


class Node(Program):
    """One Patroni with its PostgreSQL."""

    def __init__(self, name: str, folder: Path, etcd: list[int]) -> None:
        self.port, self.rest_port = free_port(), free_port()
        data = folder / name
        file = folder / f"{name}.json"
        file.write_text(json.dumps(self._settings(name, folder, etcd)), encoding="utf-8")
        file.chmod(0o644)
        super().__init__(name, folder, [*_python(), "-m", "patroni", str(file)], data)

    def _settings(self, name: str, folder: Path, etcd: list[int]) -> dict[str, Any]:
        local = f"127.0.0.1:{self.port}"
        people = {"username": "postgres", "password": "test"}
        return {
            "scope": SCOPE,
            "name": name,
            "log": {"level": "INFO"},
            "restapi": {
                "listen": f"127.0.0.1:{self.rest_port}",
                "connect_address": f"127.0.0.1:{self.rest_port}",
            },
            "etcd3": {"hosts": [f"127.0.0.1:{port}" for port in etcd]},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_SECONDS,
                    "loop_wait": 2,
                    "retry_timeout": 3,
                    # A killed server is not waited for: the standby takes over as soon as it is known.
                    "primary_start_timeout": 0,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "maximum_lag_on_failover": 1 << 20,
                    "postgresql": {"use_pg_rewind": True, "use_slots": True},
                },
                "initdb": [
                    {"encoding": "UTF8"},
                    {"locale": "C"},
                    "data-checksums",
                    {"auth": "trust"},
                    "no-sync",
                ],
            },
            "postgresql": {
                "listen": local,
                "connect_address": local,
                "data_dir": str(folder / name),
                "bin_dir": programs(),
                "pgpass": str(folder / f"{name}.pgpass"),
                "authentication": {"superuser": people, "replication": people, "rewind": people},
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                "parameters": {
                    "unix_socket_directories": str(folder),
                    "fsync": "on",
                    "shared_buffers": "32MB",
                    "max_connections": 40,
                    "lc_messages": "C",
                    "wal_keep_size": "64MB",
                    "max_wal_size": "256MB",
                },
            },
        }


class Cluster:
    """All of it. A context: it is there and ready inside, and gone outside."""

    def __init__(self, nodes: int = 3) -> None:
        self.folder = private_folder("cluster")
        ports = [(free_port(), free_port()) for _ in range(3)]
        members = ",".join(f"etcd{n}=http://127.0.0.1:{peer}" for n, (_, peer) in enumerate(ports))
        self.etcd = [self._etcd(n, client, peer, members) for n, (client, peer) in enumerate(ports)]
        self.nodes = [Node(f"node{n}", self.folder, [client for client, _ in ports]) for n in range(nodes)]

    def _etcd(self, number: int, client: int, peer: int, members: str) -> Program:
        name = f"etcd{number}"
        at, to = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        command = ["etcd", "--name", name, "--data-dir", str(self.folder / name), "--listen-client-urls", at]
        command += [
            "--advertise-client-urls",
            at,
            "--listen-peer-urls",
            to,
            "--initial-advertise-peer-urls",
            to,
        ]
        command += ["--initial-cluster", members, "--initial-cluster-token", SCOPE]
        command += ["--heartbeat-interval", "200", "--election-timeout", "2000"]
        return Program(name, self.folder, command, self.folder / name)

    def __enter__(self) -> "Cluster":
        for program in (*self.etcd, self.nodes[0]):
            program.start()
        try:
            self.wait_for(lambda: self.leader() is not None, "no leader")
            for node in self.nodes[1:]:
                node.start()
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in (*self.nodes, *self.etcd):
            program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_for(self, done: Any, lack: str) -> None:
        """Until something is so; an assertion with the logs' ends after `SECONDS`."""
        end = time.monotonic() + SECONDS
        while not done():
            logs = "" if time.monotonic() < end else "\n".join(f"{n.name}: {n.tail()}" for n in self.nodes)
            assert time.monotonic() < end, f"{lack}\n{logs}"
            time.sleep(0.2)

    def wait_ready(self) -> None:
        """Until there are a leader and a synchronous standby, and every node that runs follows."""
        self.wait_for(lambda: self.is_ready, "the cluster is not whole")

    @property
    def is_ready(self) -> bool:
        """Whether a leader and a synchronous standby stream, and nobody is missing."""
        roles = [self.role(node) for node in self.nodes]
        return roles.count("leader") == 1 and "sync_standby" in roles and "" not in roles

    def members(self) -> list[dict[str, Any]]:
        """What any node that answers says of all."""
        for node in self.nodes:
            with contextlib.suppress(OSError, ValueError):
                address = f"http://127.0.0.1:{node.rest_port}/cluster"
                with urllib.request.urlopen(address, timeout=3) as answer:
                    return list(json.load(answer)["members"])
        return []

    def role(self, node: Node) -> str:
        """Leader, sync_standby or replica; empty while it does not serve or does not stream."""
        for member in self.members():
            if member["name"] == node.name and member.get("state") in ("running", "streaming"):
                return str(member["role"])
        return ""

    def leader(self) -> Node | None:
        """The node that the cluster calls its leader."""
        return next((node for node in self.nodes if self.role(node) == "leader"), None)

    def url(self, schema: str) -> str:
        """The URL of a ledger on whichever node accepts writes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/postgres?schema={schema}&target_session_attrs=read-write"

    def kill_leader(self, only: str = "") -> Node:
        """kill -9 of the leader's Patroni and server, or only of its "patroni" or its "postgres"; who that was."""
        self.wait_for(lambda: self.leader() is not None, "no leader to kill")
        leader = self.leader()
        assert leader is not None
        server = leader.server()
        mine = [process for process in leader.processes() if process not in server]
        leader.kill({"": None, "patroni": mine, "postgres": server}[only])
        return leader

    def mend(self) -> None:
        """Start again what does not run."""
        for program in (*self.etcd, *self.nodes):
            if not program.is_running:
                program.start()


def main() -> None:
    """Start a cluster for somebody who watches, until the end of input."""
    if lack := missing() or unreadable():
        sys.exit(lack)
    with Cluster() as cluster:
        print(cluster.url("ledger"))
        for node in cluster.nodes:
            print(f"{node.name}: port {node.port}, {cluster.role(node)}, log {node._log}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    main()
