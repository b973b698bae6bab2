"""What the verifying processes of a pipeline do, and how they are kept.

A **chunk** is some transactions' bytes and the rows of the keys that seem to have signed them. A process reads each
transaction, verifies its signatures and answers, for each in order, the plain transfer that it is, with every signature
verified (`cbdc.ledger.plain.Plain`), or a number whose bits say which of its signatures stand. It knows no state and
no secret. What it is given as a key is asked for its key id first, so that no row can stand for another key; what it
says of a signature holds for those bytes in that network, whatever state the ledger is in.

Both directions are MessagePack, read back with the types they must have. A process reads ahead in a thread of its own
and the pool reads each one's answers in one, so neither ever waits for the other to read.

Processes are started afresh, ignore Ctrl-C, and end when their pipe does, so they outlive nobody. One that dies is
replaced and its chunks done again; a chunk that two have died on, or that nobody has answered for a long time, is given
back undone: then its owner does the work. The same holds when no process can be started.
"""

import gc
import multiprocessing
import queue
import signal
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

import msgspec

from cbdc.errors import TengeError
from cbdc.keys import PublicKey, key_id, standing
from cbdc.ledger.plain import Plain, ReadPlain, read_plain
from cbdc.ledger.state import KEY
from cbdc.transaction import RegisterKey, RotateKey, open_transaction

CHUNK = 128
CHUNK_BYTES = 49_152
AHEAD = 3
"""How many chunks a process has, the one it works on included."""

PIPE_BYTES = 160_000
SELDOM = (200_000, 50, 1_000)
"""How seldom Python looks for cycles of objects while transfers make many objects and hardly a cycle: `gc`'s words."""

PATIENCE_SECONDS = 30.0
_TRIES = 2
_KEY = bytes([KEY])
_WITNESS_BYTES = 101  # an array of two: 32 and 64 bytes
_WITNESS_HEADS = [bytes([0x90 | count, 0x92, 0xC4, 32]) for count in range(16)]

Found = Plain | int
"""A plain transfer with all its signatures verified, or the bits of the signatures that stand."""

_key_id = key_id.__wrapped__
_KNOWN_MOST = 50_000
_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder().decode
_decode_chunk = msgspec.msgpack.Decoder(tuple[list[bytes], dict[bytes, bytes]]).decode
_decode_found = msgspec.msgpack.Decoder(list[Plain | int]).decode


def likely_signers(data: bytes) -> list[bytes]:
    """The key ids that seem to have signed these wire bytes, by their place alone: whose keys are worth looking up."""
    for count in range(1, 5):
        start = len(data) - count * _WITNESS_BYTES
        if start > 0 and data[start - 1 : start + 3] == _WITNESS_HEADS[count]:
            return [data[place + 3 : place + 35] for place in range(start, len(data), _WITNESS_BYTES)]
    return []


def signers_of(part: Sequence[bytes]) -> set[bytes]:
    """`likely_signers` of all of these; nearly all have one."""
    found = {data[-98:-66] for data in part if data[-102:-98] == _WITNESS_HEADS[1]}
    found.update(kid for data in part if data[-102:-98] != _WITNESS_HEADS[1] for kid in likely_signers(data))
    return found


# --- what a process does ---


class Verifier:
    """The work itself, wherever it is done. `certified` are the algorithms and keys that the genesis names."""

    def __init__(self, network: bytes, certified: Sequence[tuple[int, bytes]]) -> None:
        self._network = network
        self._certified = {key_id(*key): PublicKey(*key) for key in certified}
        self._known: dict[bytes, tuple[bytes, PublicKey]] = {}

    def judge(self, transactions: Sequence[bytes], rows: Mapping[bytes, bytes]) -> list[Found]:
        """What each transaction is; `rows` are the state's rows of registered keys, by packed state key."""
        # First all are read, then all are verified: a processor does many of a kind faster than one of each in turn.
        if len(self._known) > _KNOWN_MOST:
            self._known.clear()
        network, key_of = self._network, self._key
        read = [read_plain(data, network) for data in transactions]
        asked = [
            (key_of(kid, rows), signature, found[2])
            for found in read
            if found is not None
            for kid, signature in found[1]
        ]
        stand = standing(asked)
        if len(stand) == len(asked) and None not in read:
            return [found[0] for found in read]  # type: ignore[index]
        return self._sorted_out(transactions, rows, read, set(stand))

    def _sorted_out(
        self,
        transactions: Sequence[bytes],
        rows: Mapping[bytes, bytes],
        read: Sequence[ReadPlain | None],
        stand: set[int],
    ) -> list[Found]:
        """The same, of transactions that are not all plain and all signed; `stand` counts over the plain ones."""
        answers: list[Found] = []
        first = 0
        for data, found in zip(transactions, read, strict=True):
            if found is None:
                answers.append(self._judge_other(data, rows))
                continue
            count = len(found[1])
            bits = sum(1 << place for place in range(count) if first + place in stand)
            answers.append(found[0] if bits == (1 << count) - 1 else bits)
            first += count
        return answers

    def _judge_other(self, data: bytes, rows: Mapping[bytes, bytes]) -> int:
        """The bits of the signatures that stand in what is no plain transfer; 0 for what cannot be opened."""
        # An auditor's reader does not open it (`cbdc.ledger.signed_form`). Here a wrong form is a stranger's, and must
        # not cost signatures: it is opened first.
        try:
            opened = open_transaction(data, self._network)
        except TengeError:
            return 0
        own: dict[bytes, PublicKey] = {}
        record = opened.record
        if isinstance(record, RegisterKey | RotateKey):
            own[key_id(record.algorithm, record.public_key)] = PublicKey(record.algorithm, record.public_key)
        message = opened.message
        asked = [
            (self._key(kid, rows) or own.get(kid), signature, message) for kid, signature in opened.witnesses
        ]
        return sum(1 << place for place in standing(asked))

    def _key(self, kid: bytes, rows: Mapping[bytes, bytes]) -> PublicKey | None:
        """The key with this id: in its row of the state if that is the row of this very key, or of the genesis."""
        row = rows.get(_KEY + kid)
        if row is not None:
            known = self._known.get(row)
            if known is None:
                try:
                    algorithm, raw, *_ = _decode_row(row)
                    known = self._known[row] = _key_id(algorithm, raw), PublicKey(algorithm, raw)
                except (msgspec.DecodeError, TypeError, ValueError):
                    return None  # whoever gave it reads it himself, and says so
            if known[0] == kid:
                return known[1]
        return self._certified.get(kid)


def serve(connection: Connection, network: bytes, certified: list[tuple[int, bytes]]) -> None:
    """The life of a process: answer chunks until the pipe ends or an empty message comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(*SELDOM)
    verifier = Verifier(network, certified)
    chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_ahead, args=(connection, chunks), daemon=True).start()
    while message := chunks.get():
        connection.send_bytes(_encode(verifier.judge(*_decode_chunk(message))))


def _read_ahead(connection: Connection, chunks: "queue.SimpleQueue[bytes]") -> None:
    message = b"any"
    while message:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            message = b""
        chunks.put(message)


# --- how processes are kept ---


class Chunk:
    """Some transactions on their way through a process."""

    __slots__ = ("_done", "_found", "count", "message", "tries")

    def __init__(self, transactions: Sequence[bytes], rows: Mapping[bytes, bytes]) -> None:
        self.count = len(transactions)
        self.message = _encode((transactions, rows))
        self.tries = 0
        self._found: list[Found] | None = None
        self._done = threading.Event()

    def finish(self, found: list[Found] | None) -> None:
        """Give the answers, or None when nobody could work on it."""
        self._found = found
        self._done.set()

    def found(self) -> list[Found] | None:
        """The answers, once they are there; None when the owner must do the work."""
        return self._found if self._done.wait(PATIENCE_SECONDS) else None


class _Worker:
    """A process, its pipe, and the chunks it has."""

    def __init__(self, network: bytes, certified: list[tuple[int, bytes]], deaths: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.chunks: deque[Chunk] = deque()
        self.out: deque[bytes] = deque()
        self.sending = False
        self.turn = threading.Lock()
        self.deaths = deaths
        self.process = context.Process(target=serve, args=(theirs, network, certified), daemon=True)
        self.process.start()
        theirs.close()
        self.reader: threading.Thread | None = None


class Verifiers:
    """A pool of verifying processes."""

    def __init__(self, count: int, network: bytes, certified: list[tuple[int, bytes]]) -> None:
        self._given = (network, certified)
        self._lock = threading.Lock()
        self._waiting: deque[Chunk] = deque()
        self._closed = False
        self._workers: list[_Worker] = []
        with self._lock:
            for _ in range(count):
                self._start(0)

    @property
    def processes(self) -> list[int]:
        """The numbers of the processes that are there."""
        with self._lock:
            return [worker.process.pid or 0 for worker in self._workers]

    @property
    def idle(self) -> int:
        """How many processes have nothing to do just now."""
        return sum(1 for worker in self._workers if not worker.chunks)

    def _start(self, deaths: int) -> None:
        # A program that cannot start processes at all (no memory, no files left) goes on with fewer, or none.
        if deaths <= _TRIES:
            try:
                worker = _Worker(*self._given, deaths)
            except OSError:
                return
            self._workers.append(worker)
            worker.reader = threading.Thread(target=self._read, args=(worker,), daemon=True)
            worker.reader.start()

    def send(self, chunk: Chunk) -> None:
        """Let a process work on a chunk as soon as one can."""
        with self._lock:
            self._waiting.append(chunk)
            ready = self._feed()
        self._deliver(ready)

    def _feed(self) -> list[_Worker]:
        """Give waiting chunks to processes that can take more; those whose messages the caller must deliver."""
        ready: list[_Worker] = []
        if self._closed or not self._workers:
            while self._waiting:
                self._waiting.popleft().finish(None)
        while self._waiting:
            chunk = self._waiting[0]
            worker = min(self._workers, key=lambda one: len(one.chunks))
            # What a process has not read yet must fit into its pipe, so that nobody waits who sends.
            held = sum(len(one.message) for one in worker.chunks)
            if worker.chunks and (len(worker.chunks) >= AHEAD or held + len(chunk.message) > PIPE_BYTES):
                break
            self._waiting.popleft()
            worker.chunks.append(chunk)
            self._put(worker, chunk.message, ready)
        return ready

    def _put(self, worker: _Worker, message: bytes, ready: list[_Worker]) -> None:
        """Put a message among those to a process; into `ready` with it unless another thread is delivering them."""
        worker.out.append(message)
        if not worker.sending:
            worker.sending = True
            ready.append(worker)

    def _deliver(self, ready: Sequence[_Worker]) -> None:
        """Send what was put, in order and without the pool's lock: a process that reads nothing holds up one thread."""
        for worker in ready:
            # Whoever closes the pipe waits for this turn: a number of a closed file may be another file's by then.
            with worker.turn:
                while message := self._next_message(worker):
                    try:
                        worker.connection.send_bytes(message[0])
                    except OSError:
                        continue  # it is dead, and the reader will find that out
                    except BaseException:
                        # Ctrl-C in the middle of a message: what comes after it would not be understood.
                        worker.process.kill()
                        worker.sending = False
                        raise

    def _next_message(self, worker: _Worker) -> tuple[bytes] | None:
        with self._lock:
            if worker.out:
                return (worker.out.popleft(),)
            worker.sending = False
            return None

    def _read(self, worker: _Worker) -> None:
        """Take a process's answers, until it is gone."""
        while True:
            try:
                found = _decode_found(worker.connection.recv_bytes())
            except msgspec.DecodeError:
                worker.process.kill()
                continue
            except (EOFError, OSError):
                self._bury(worker)
                return
            with self._lock:
                if not worker.chunks or len(found) != worker.chunks[0].count:
                    worker.process.kill()
                    continue
                worker.deaths = 0
                chunk = worker.chunks.popleft()
                ready = self._feed()
            chunk.finish(found)
            self._deliver(ready)

    def _bury(self, worker: _Worker) -> None:
        """Put another process in a dead one's place, and its chunks back into the queue."""
        worker.process.join(PATIENCE_SECONDS)
        worker.process.kill()  # one that only closed its pipe
        worker.process.join()
        with worker.turn:
            worker.connection.close()
        with self._lock:
            self._workers.remove(worker)
            if worker.chunks:
                worker.chunks[0].tries += 1
            for chunk in reversed(worker.chunks):
                if chunk.tries < _TRIES:
                    self._waiting.appendleft(chunk)
                else:
                    chunk.finish(None)
            if not self._closed:
                self._start(worker.deaths + 1)
            ready = self._feed()
        self._deliver(ready)

    def forsake(self, chunk: Chunk) -> None:
        """End the process that has not answered a chunk for too long; another takes its place."""
        with self._lock:
            for worker in self._workers:
                if chunk in worker.chunks:
                    worker.process.kill()

    def close(self) -> None:
        """End every process; what is not done yet is given back undone."""
        with self._lock:
            self._closed = True
            ready = self._feed()
            for worker in self._workers:
                self._put(worker, b"", ready)
            readers = [(worker, worker.reader) for worker in self._workers]
        self._deliver(ready)
        for worker, reader in readers:
            assert reader is not None
            reader.join(PATIENCE_SECONDS)
            if reader.is_alive():  # one that hangs
                worker.process.kill()
                reader.join()
