"""Two hosts of devices whose elements live in a process of their own, to be killed at any write or exchange.

    python -m tests.simulation.element_host FOLDER [NUMBER]

plays one story (load, invoice, pay, receive, redeem, sync) and prints what is there at its end; with a NUMBER it kills
itself with SIGKILL at that point, counted over every write of a host's rows and every command to an element, before and
after each. Played again in the same folder it ends like a story that nobody cut.
"""

import hashlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from cbdc.money import tenge
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.token import MERCHANT
from offline.device import Device
from offline.element_client import ElementProcess, RemoteElement, element_command
from offline.host_store import Key, SqliteHostStore
from tests.offline.bench import Bench
from tests.offline.world import NOW

SEED = 7


class Store(SqliteHostStore):
    """A host's rows in a file, with a point before and after each write."""

    def __init__(self, path: Path, checkpoint: Checkpoint) -> None:
        super().__init__(path, durable=False)
        self._checkpoint = checkpoint

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        self._checkpoint("host.rows.before")
        super().write(device, changes)
        self._checkpoint("host.rows.after")


class Process(ElementProcess):
    """An element's process, with a point before and after each exchange."""

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        super().__init__(element_command(folder, SEED, durable=False))
        self._checkpoint = checkpoint

    def exchange(self, address: int, command: bytes) -> bytes:
        self._checkpoint("host.exchange.before")
        response = super().exchange(address, command)
        self._checkpoint("host.exchange.after")
        return response


def killer(number: int) -> Checkpoint:
    """A checkpoint that kills this process at its `number`-th call."""
    left = [number]

    def checkpoint(name: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


def play(folder: Path, checkpoint: Checkpoint = no_checkpoint) -> str:
    """The story, from wherever it was cut; a digest of both elements' states and both hosts' rows."""
    bench = Bench("host")
    world = bench.world
    store = Store(folder / "hosts.sqlite", checkpoint)
    with Process(folder / "elements", checkpoint) as process:
        devices = []
        for address, (name, category) in enumerate((("payer", 1), ("payee", MERCHANT)), start=1):
            element = RemoteElement(process, address)
            raw = element.public_key.raw
            made = world.make_device(name, algorithm=2, public_key=raw, category=category)
            element.provision(world.trust, made.certificate)
            devices.append(Device(element, store))
            devices[-1].recover(NOW)
        payer, payee = devices
        note = world.make_note(payer.kid, tenge(3_000))
        order = world.make_redeem_order(payer.kid)

        def pay() -> None:
            payer.load(note, NOW)
            invoice = payee.invoice(b"i", tenge(1_000), 0, NOW)
            payment = payer.pay(invoice, payee.certificate, NOW)
            payee.receive(payment, invoice, NOW)

        def home() -> None:
            payer.redeem(order, NOW, tenge(500))

        def sync() -> None:
            if payer.status(NOW).sync_number and not payer.status(NOW).sync_pending:
                return
            request = payer.sync(b"s", NOW)[-1].sync_request
            assert request is not None
            payer.sync_commit(bench.ack(request), NOW)

        for step in (pay, home, sync) if payer.status(NOW).sync_number == 0 else (sync,):
            step()
        states = [repr(device.status(NOW)).encode() for device in devices]
        rows = [repr(sorted(store.read(device.kid))).encode() for device in devices]
    store.close()
    return hashlib.sha256(b"".join(states + rows)).hexdigest()


def count_points(folder: Path) -> int:
    """How many points a whole story has."""
    names: list[str] = []
    play(folder, names.append)
    return len(names)


if __name__ == "__main__":
    crash = killer(int(sys.argv[2])) if len(sys.argv) > 2 else no_checkpoint
    sys.stdout.write(play(Path(sys.argv[1]), crash) + "\n")
