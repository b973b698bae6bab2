"""A front end: reads transactions and verifies their signatures on its own cores, and sends what passes to a writer.

    front = Front(network, writers, workers=2, capacity=4_000)
    front.submit(bytes) -> Receipt
    front.submit_many([bytes...]) -> [Receipt | refusal...]

It keeps no state but the public keys that it has met. What it refuses itself is what the ledger would refuse with the
same words whatever its state is: bytes that are no transaction, and a signature that does not stand. Everything else is
the writer's answer, passed on. (One difference: a transaction that stands already, sent again with a forged signature,
gets its receipt from the ledger and a refusal from a front.)

Rules kept here:

- a front is stopped, killed or lost like a cable: a client whose answer does not come asks again, here or elsewhere,
  with the same bytes;
- at most `capacity` transactions of `capacity_bytes` in all are inside; E_BUSY or E_BUSY_BYTES, before any work, for
  whoever comes then;
- a key that the front does not know is no reason to refuse: the writer may have heard of it a moment ago, and judges.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import msgspec

from cbdc import canonical
from cbdc.errors import TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.front_line import Line
from cbdc.http.fronts import BATCH, KEYS, MAX_BATCH_BYTES, MOST_KEYS, Vouched, write_vouched
from cbdc.http.writers import Writers
from cbdc.keys import PublicKey, key_id
from cbdc.ledger.entry import LogHead, Receipt
from cbdc.ledger.pipeline import CAPACITY_BYTES, MANY
from cbdc.ledger.plain import Plain
from cbdc.ledger.room import Room
from cbdc.ledger.state import KEY
from cbdc.ledger.verifying import CHUNK, CHUNK_BYTES, Chunk, Found, Verifier, Verifiers, signers_of
from cbdc.record import Signed, open_envelope
from cbdc.transaction import open_transaction

SENDERS = 2
"""How many batches are on their way at once: one is decided while the next one travels."""

MOST_KNOWN = 200_000
_KEY = bytes([KEY])
_ROOM_BYTES = MAX_BATCH_BYTES - 64
_ADDED_BYTES = 12
_encode = msgspec.msgpack.Encoder().encode

Answer = Receipt | TengeError
_Passed = tuple[Vouched, bytes]


def _of(answer: Answer, id: bytes) -> Answer:
    """An answer about this transaction; E_PEER_ANSWER when it is a receipt of another one."""
    if isinstance(answer, Receipt) and answer.transaction_id != id:
        raise Unavailable("E_PEER_ANSWER", answer="a receipt of another transaction")
    return answer


class Front:
    """See the module's text. `workers` processes verify many transactions, none when it is 0."""

    def __init__(
        self,
        network: bytes,
        writers: Writers,
        *,
        workers: int,
        capacity: int,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> None:
        self.network = network
        self._writers = writers
        self._room = Room(capacity, capacity_bytes)
        self._workers = workers
        self._lock = Lock()
        self._rows: dict[bytes, bytes] = {}
        self._verifier = Verifier(network, [])
        self._verifiers: Verifiers | None = None
        self._head: tuple[str, Signed[LogHead] | None] = ("", None)
        self._line: Line[Vouched, Answer] = Line(
            self._deliver, SENDERS, wire.MAX_BATCH, _ROOM_BYTES, lambda one: len(one[0]) + _ADDED_BYTES
        )
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many transactions are inside now."""
        return self._room.inside

    @property
    def newest(self) -> LogHead | None:
        """The newest head that a receipt of this front had, not verified; None before the first."""
        head = self._head[1]
        return None if head is None else head.record

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of one transaction, or its refusal raised; raises as `submit_many`."""
        answer = self.submit_many([transaction])[0]
        if isinstance(answer, TengeError):
            raise answer
        return answer

    def submit_many(self, transactions: Sequence[bytes]) -> list[Answer]:
        """For each transaction in order its receipt or its refusal.

        Raises E_WRITER_AWAY, E_WRITER_REFUSES, E_BUSY, E_BUSY_BYTES.
        """
        if not transactions:
            return []
        taken = self._room.enter(transactions)
        try:
            checked = self._checked(transactions)
            passed = [one for one in checked if not isinstance(one, TengeError)]
            answers = iter(self._line.send([told for told, _ in passed]) if passed else ())
            return [one if isinstance(one, TengeError) else _of(next(answers), one[1]) for one in checked]
        finally:
            self._room.leave(*taken)

    def close(self) -> None:
        """End the verifying processes; who is inside is answered."""
        with self._lock:
            self._closed, pool = True, self._verifiers
        if pool is not None:
            pool.close()

    # --- what a front does itself ---

    def _checked(self, transactions: Sequence[bytes]) -> list[_Passed | TengeError]:
        """For each transaction what the writer is told and its id, or why it is refused here."""
        self._learn(signers_of(transactions))
        pool = self._pool(len(transactions))
        # Evenly over the processes, and no more bytes in a chunk than their pipes take at once.
        longest = max(map(len, transactions))
        size = max(
            1, min(CHUNK, -(-len(transactions) // max(1, self._workers)), CHUNK_BYTES // (longest + 1))
        )
        parts = [transactions[start : start + size] for start in range(0, len(transactions), size)]
        chunks = [Chunk(part, self._rows_of(part)) for part in parts]
        for chunk in chunks if pool is not None else ():
            pool.send(chunk)  # type: ignore[union-attr]
        checked: list[_Passed | TengeError] = []
        for part, chunk in zip(parts, chunks, strict=True):
            found = None if pool is None else chunk.found()
            if found is None:
                if pool is not None:
                    pool.forsake(chunk)
                found = self._verifier.judge(part, self._rows_of(part))
            checked += [self._judged(data, one) for data, one in zip(part, found, strict=True)]
        return checked

    def _pool(self, count: int) -> Verifiers | None:
        """The processes, started when many transactions first come together; None for a few."""
        if count < MANY or not self._workers:
            return None
        with self._lock:
            if self._verifiers is None and not self._closed:
                self._verifiers = Verifiers(self._workers, self.network, [])
        return self._verifiers

    def _judged(self, data: bytes, found: Found) -> _Passed | TengeError:
        if isinstance(found, Plain):
            return (data, (1 << len(found.signers)) - 1), found.id
        try:
            opened = open_transaction(data, self.network)
        except TengeError as refusal:
            return refusal
        for place, (kid, signature) in enumerate(opened.witnesses):
            if found >> place & 1:
                continue
            # The first that does not stand is what the ledger would speak of; if its key is known, we may.
            row = self._rows.get(kid)
            if row is not None:
                try:
                    PublicKey(*msgspec.msgpack.decode(row)).verify(signature, opened.message)
                except TengeError as refusal:
                    return refusal
            break
        return (data, found), opened.id

    # --- keys ---

    def _rows_of(self, transactions: Sequence[bytes]) -> dict[bytes, bytes]:
        rows, found = self._rows, {}
        for kid in signers_of(transactions):
            row = rows.get(kid)
            if row is not None:
                found[_KEY + kid] = row
        return found

    def _learn(self, kids: set[bytes]) -> None:
        """Ask a writer for the keys that were not met yet; what it does not know is asked again next time."""
        unknown = sorted(kid for kid in kids if kid not in self._rows)
        for start in range(0, len(unknown), MOST_KEYS):
            answer = self._writers.call(KEYS, canonical.encode(unknown[start : start + MOST_KEYS]))
            with wire.understood("keys"):
                for one in wire.as_object(answer)["keys"]:
                    algorithm = wire.as_number(one["algorithm"])
                    kid, raw = wire.as_octets(one["kid"]), wire.as_octets(one["public_key"])
                    # A key id is the hash of the key, so nobody can tell us a wrong one.
                    if key_id(algorithm, raw) == kid:
                        if len(self._rows) >= MOST_KNOWN:
                            self._rows = {}
                        self._rows[kid] = _encode((algorithm, raw))

    # --- batches ---

    def _deliver(self, items: list[Vouched]) -> list[Answer]:
        """One batch to a writer, and what it answered."""
        value = self._writers.call(BATCH, write_vouched(self.network, items))
        with wire.understood("batch"):
            results = wire.as_object(value)["results"]
            if not isinstance(results, list) or len(results) != len(items):
                raise ValueError
            return [self._answer(wire.as_object(one)) for one in results]

    def _answer(self, one: Mapping[str, Any]) -> Answer:
        if "problem" in one:
            return wire.read_problem(one["problem"])
        body = wire.as_object(one["receipt"])
        envelope = wire.as_text(wire.as_object(body["head"])["envelope"])
        # All receipts of a group have one head.
        known, head = self._head
        if head is None or known != envelope:
            head = open_envelope(bytes.fromhex(envelope), LogHead, self.network)
            self._head = (envelope, head)
        return Receipt(
            wire.as_octets(body["transaction_id"]),
            wire.as_number(body["index"]),
            wire.as_number(body["time"]),
            head,
        )
