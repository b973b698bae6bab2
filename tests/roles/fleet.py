"""Front ends and writers as real processes before one store, and clients who pay through the fronts.

    with Fleet(url, folder) as fleet:
        fleet.start_writer(0)
        fleet.start_front(0)
        fleet.front(0).kill()

Each has a port that it keeps when it is started again. The fronts know both writers' addresses.
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cbdc.authority import FRONT, Auth
from cbdc.http import wire
from cbdc.keys import SoftwareKey
from cbdc.ports import CRASH_VARIABLE
from cbdc.record import Signed, sign
from tests.cbdc.world import END, START, fixed_key
from tests.faults.payers import Payers
from tests.faults.served import UNKNOWN
from tests.faults.town import Plan, big_town
from tests.servers.ports import free_port
from wallets.roles.keys import FrontKey, write_front_key

SECONDS = 60


def front_key(
    name: str, role: int = FRONT, root: str = "root", not_before: int = START, expires: int = END
) -> FrontKey:
    """A front's key with a certificate by the town's ROOT, or a false one."""
    world = big_town().world
    key = fixed_key(f"front {name}")
    certificate: Signed[Auth] = sign(
        Auth(role, key.public.algorithm, key.public.raw, not_before, expires, ()),
        world.network,
        world.key(root),
    )
    assert isinstance(key, SoftwareKey)
    return FrontKey(key, certificate, world.root)


class Fleet:
    """See the module's text. `fronts` and `writers` are by number; a number's certificate is the town's own."""

    def __init__(self, url: str, folder: Path, fronts: int = 2, writers: int = 2) -> None:
        self.url = url
        self.folder = folder
        self.keys = [front_key(str(number)) for number in range(fronts)]
        self.front_ports = [free_port() for _ in range(fronts)]
        self.writer_ports = [free_port() for _ in range(writers)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for number, key in enumerate(self.keys):
            write_front_key(folder / f"front-{number}.key", key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(SECONDS)

    def start_writer(self, number: int, crash: str = "") -> subprocess.Popen[bytes]:
        """Start a writer; it may die before it serves."""
        certificates = [key.certificate.encode().hex() for key in self.keys]
        arguments = ["-m", "tests.roles.served", self.url, str(self.writer_ports[number]), *certificates]
        return self._start(f"writer {number}", arguments, crash)

    def start_front(self, number: int) -> subprocess.Popen[bytes]:
        """Start a front end: the real command."""
        writers = [part for port in self.writer_ports for part in ("--writer", f"http://127.0.0.1:{port}")]
        key = ["--front-key", str(self.folder / f"front-{number}.key"), "--workers", "0"]
        where = ["--port", str(self.front_ports[number])]
        return self._start(
            f"front {number}", ["-m", "wallets.cli", "serve", "--role", "front", *key, *writers, *where]
        )

    def _start(self, name: str, arguments: list[str], crash: str = "") -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env={**os.environ, CRASH_VARIABLE: crash},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def log(self, name: str) -> str:
        """What a process printed."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self, name: str) -> bool:
        """Wait until a process is ready; False when it died first."""
        kind, number = name.split()
        port = (self.front_ports if kind == "front" else self.writer_ports)[int(number)]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if self.processes[name].poll() is not None:
                return False
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask(port, "GET", "/v1/ready")[0] == 200:
                    return True
            time.sleep(0.05)
        raise AssertionError(f"{name} is not ready: {self.log(name)[-1_500:]}")


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """The status and the JSON of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": wire.CANONICAL} if body else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class FrontPayers(Payers):
    """The clients of the fault runs, through front ends: when one is gone they ask another, with the same bytes."""

    ports: tuple[int, ...] = ()

    def _settle(self, stream: Any, group: list[Plan]) -> tuple[Any, list[Plan]]:
        try:
            if stream is None:
                self.up.wait(1)
                port = self.ports[self.asked_again % len(self.ports)]
                stream = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            body = wire.write_batch([plan.data for plan in group])
            stream.request("POST", "/v1/transactions/batch", body, {"Content-Type": wire.CANONICAL})
            reply = stream.getresponse()
            value = json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError):
            if stream is not None:
                stream.close()
            with self.lock:
                self.asked_again += len(group)
            time.sleep(0.02)
            return None, group
        if reply.status != 200:
            with self.lock:
                self.refusals.append(value["code"])
            return stream, self._hear(group, [UNKNOWN] * len(group))
        return stream, self._hear(group, [_plain(one) for one in value["results"]])

    @property
    def refusals(self) -> list[str]:
        """The codes of whole requests that were refused."""
        return self.__dict__.setdefault("_refusals", [])  # type: ignore[no-any-return]


def _plain(one: Any) -> Any:
    if "problem" in one:
        return UNKNOWN if one["problem"]["family"] == "unavailable" else one["problem"]["code"]
    receipt = one["receipt"]
    return [receipt["index"], receipt["time"], bytes.fromhex(receipt["head"]["envelope"])]
