"""The ledger of the kill runs: a process of its own that serves one store to clients over TCP, and can be killed.

    python -m tests.faults.served URL PORT_FILE [--pipeline]

Each message is four bytes of length and a msgpack value: a list of transactions comes, a list of answers goes, each
`[index, time, head]` or a code. The store's write points obey TENGE_CRASH_AT. An empty store gets the town of
`tests.faults.town` first. The port is written to PORT_FILE when everything is ready.
"""

import os
import socketserver
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import Receipt
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.store import Store
from cbdc.ports import CRASH_VARIABLE, ManualClock, checkpoint_from_environment
from tests.cbdc.world import START, fixed_key

LENGTH = struct.Struct(">I")
# What comes back instead of an answer when the store failed: nobody knows, ask again.
UNKNOWN = "unknown"
JOURNAL = "journal:///"


def receive(stream: Any) -> Any:
    """The next message; `EOFError` at the end of the connection, also in the middle of a message."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    size = LENGTH.unpack(head)[0]
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return msgpack.unpackb(data)


def message(value: Any) -> bytes:
    """A value as a message."""
    data = msgpack.packb(value)
    return LENGTH.pack(len(data)) + data


def plain(answer: Receipt | TengeError) -> Any:
    """An answer as it travels; a store's failure is no answer."""
    if isinstance(answer, Receipt):
        return [answer.index, answer.time, answer.head.encode()]
    return UNKNOWN if isinstance(answer, Unavailable) else answer.code


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Answer until the client goes."""
        with suppress(EOFError, OSError):
            while True:
                group = receive(self.rfile)
                try:
                    answers = [plain(answer) for answer in self.server.ledger.submit_many(group)]  # type: ignore[attr-defined]
                except Unavailable as error:
                    print(error.code, error.facts, file=sys.stderr, flush=True)
                    answers = [UNKNOWN] * len(group)
                self.wfile.write(message(answers))


class Server(socketserver.ThreadingTCPServer):
    """Threads, as in the product's server: a group of one client is decided while another is received."""

    daemon_threads = True
    allow_reuse_address = True


def opened(url: str) -> Store:
    """The store; the journal engine with small segments and snapshots, so that kills find it making them."""
    checkpoint = checkpoint_from_environment()
    if not url.startswith(JOURNAL):
        return open_store(url, checkpoint)
    # A write point of a snapshot is reached where this process makes it; else a process beside it does.
    beside = not os.environ.get(CRASH_VARIABLE, "").startswith("journal.snapshot")
    small = JournalSettings(segment_bytes=40_000, layer_rows=250, own_process=beside)
    return JournalStore(Path(url.removeprefix(JOURNAL)), checkpoint, settings=small)


def main(url: str, port_file: Path, pipeline: bool) -> None:
    """Open, and serve until killed."""
    store = opened(url)
    if store.size() == 0:
        from tests.faults.town import big_town

        big_town().settle_in(store)
    # The town has a calendar of its own, and its clock stands still.
    clock = ManualClock(START + 20 * 86_400)
    ledger: Any = Ledger(store, fixed_key("faults/ledger"), clock)
    if pipeline:
        from cbdc.ledger.pipeline import Pipeline

        ledger = Pipeline(ledger, workers=2, capacity=10_000)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.ledger = ledger  # type: ignore[attr-defined]
        partial = port_file.with_suffix(".new")
        partial.write_text(str(server.server_address[1]), encoding="utf-8")
        partial.replace(port_file)
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "--pipeline" in sys.argv[3:])
