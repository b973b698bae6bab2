"""The pipeline: many submit at once, signatures are checked on every core, and one commit serves all who wait.

    pipeline = Pipeline(ledger, workers=2, capacity=20_000)
    pipeline.submit(bytes) -> Receipt
    pipeline.submit_many([bytes...]) -> [Receipt | refusal...]
    pipeline.close()

It answers what `cbdc.ledger.ledger.Ledger` answers, for it only changes who does which part of the work:

- **many** transactions of one call go in chunks to verifying processes (`cbdc.ledger.verifying`), with the keys they
  need, and the next ones are verified while these are committed;
- a **few** are put down, and whoever finds nobody gathering gathers: reads and verifies all that was put down, his own
  and others', in his thread (or in the processes, when they have become many). The others sleep;
- what is verified stands in line (`cbdc.ledger.line`). Whoever finds nobody leading leads: takes all that stands there,
  up to a group, decides it in order and commits it once. The others wait for their answers;
- one alone is committed at once, and under load a group is what came during a commit. Nobody leads while more is being
  verified than stands in line: the cores are busy then, and a commit costs what verifying twenty transactions costs.

Rules kept here:

- the transactions of one call are decided in the order they were given, and a later call sees what an earlier one did;
- a signature that a process verified counts for those bytes, that key and that network and nothing else;
- at most `capacity` transactions of at most `capacity_bytes` together are inside; E_BUSY or E_BUSY_BYTES, before any
  work, for whoever comes then;
- a process that dies is replaced and its chunk done again; when none can be had, the caller's thread does the work;
- `close` refuses who comes later (E_PIPELINE_CLOSED), answers who is inside, and leaves no process behind.
"""

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from threading import Lock
from types import TracebackType
from typing import Self

from cbdc.errors import Malformed, TengeError
from cbdc.keys import PublicKey, public_key
from cbdc.ledger.entry import Receipt
from cbdc.ledger.group import Item, decoded
from cbdc.ledger.ledger import MAX_GROUP, Ledger
from cbdc.ledger.line import GROUP_BYTES, UNIT, Answer, Line, Party
from cbdc.ledger.plain import read_plain
from cbdc.ledger.room import Room
from cbdc.ledger.state import KEY, RegisteredKey, StateKey
from cbdc.ledger.verifying import CHUNK, CHUNK_BYTES, SELDOM, Chunk, Found, Verifier, Verifiers, signers_of
from cbdc.transaction import RegisterKey, RotateKey, SignedTransaction

MANY = 16
"""From so many transactions on, processes verify them; fewer are done in a caller's thread."""

UNIT_BYTES = 4 << 20
CAPACITY_BYTES = 128 << 20
"""How many bytes of transactions are inside at most, unless somebody says otherwise: an assumption."""

_WINDOW = 4 * UNIT
_ROWS_MOST = 50_000
_KEY = bytes([KEY])


class Pipeline:
    """The ledger for many at once; fits `cbdc.gateway.Gateway` where that submits. See the module's text."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        workers: int,
        capacity: int,
        capacity_bytes: int = CAPACITY_BYTES,
        late: bool = False,
    ) -> None:
        """`workers` verifying processes, 0 for none; at most `capacity` transactions (1 or more) are inside.

        They are of at most `capacity_bytes` together (1 or more); a longer call goes through in parts.
        `late` starts the processes when many transactions first come together: a program whose payments come one
        after the other never has them.
        """
        assert workers >= 0
        self._ledger = ledger
        self._lock = Lock()
        # A call has no more inside than ever goes together: the rest of a long list leaves its room to others.
        self._room = Room(capacity, capacity_bytes, most=_WINDOW, most_bytes=GROUP_BYTES)
        self._line = Line(ledger.settle, lambda some: self._taken(some, self._send(some)))
        self._collections: tuple[int, int, int] | None = None
        self._verifiers: Verifiers | None = None
        self._workers = workers
        self._rows: dict[bytes, bytes] = {}
        authority = ledger.genesis.authority
        named = [authority.root.record.key, *(auth.record.key for auth in authority.auths)]
        self._certified = [(key.algorithm, key.raw) for key in named]
        self._verifier = Verifier(ledger.network, self._certified)
        ledger.remember_rows()
        if not late:
            self._begin()

    def _begin(self) -> None:
        """Make ready for load: the processes, if there shall be any."""
        # Looking for cycles of objects costs a writer a tenth of its time, and its transfers make none.
        self._collections = gc.get_threshold()
        gc.set_threshold(*SELDOM)
        if self._workers:
            self._verifiers = Verifiers(self._workers, self._ledger.network, self._certified)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def ledger(self) -> Ledger:
        """The ledger that is written to, for everything that reads."""
        return self._ledger

    @property
    def waiting(self) -> int:
        """How many transactions are inside now."""
        return self._room.inside

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of one transaction, or its refusal raised.

        Raises also E_BUSY, E_BUSY_BYTES, E_PIPELINE_CLOSED, and what `Ledger.submit_many` raises when the store failed.
        """
        answer = self.submit_many([transaction])[0]
        if isinstance(answer, TengeError):
            raise answer
        return answer

    def submit_many(self, transactions: Sequence[bytes]) -> list[Answer]:
        """For each transaction in order its receipt or its refusal; accepted ones are durable when this returns.

        Raises E_BUSY when `capacity` transactions are inside, E_BUSY_BYTES when they are too long together,
        E_PIPELINE_CLOSED, and what `Ledger.submit_many` raises when the store failed. A long list is several commits,
        of which the first may stand then: sending all again gives the same receipts.
        """
        answers: list[Answer] = []
        if not transactions:
            return answers
        room, room_bytes = self._room.enter(transactions)
        try:
            if room == len(transactions) < MANY and room_bytes == sum(map(len, transactions)):
                return self._line.together(Party(transactions, [], few=True))
            unit = min(room, UNIT)
            sent: deque[tuple[Sequence[bytes], list[Chunk]]] = deque()
            held_bytes = 0
            for some in _parts(transactions, unit, min(room_bytes, UNIT_BYTES)):
                size_bytes = sum(map(len, some))
                # Room for what is verified while an earlier part is committed.
                while sent and ((len(sent) + 1) * unit > room or held_bytes + size_bytes > room_bytes):
                    held_bytes -= sum(map(len, sent[0][0]))
                    answers += self._settle(*sent.popleft())
                held_bytes += size_bytes
                sent.append((some, self._send(some)))
            while sent:
                answers += self._settle(*sent.popleft())
        finally:
            self._room.leave(room, room_bytes)
        return answers

    def submit_vouched(self, transactions: Sequence[bytes], stands: Sequence[int]) -> list[Answer]:
        """`submit_many`, with the word of somebody whom the ledger believes about signatures, for one group at most.

        Each of `stands` has a bit for each signature of its transaction, by place, set when that signature stands. It
        counts for the key with that id and no other; what it does not vouch for is verified as ever.
        """
        assert len(transactions) == len(stands) <= MAX_GROUP
        if not transactions:
            return []
        taken = self._room.enter(transactions)
        try:
            items = [self._vouched(*one) for one in zip(transactions, stands, strict=True)]
            return self._line.answered(Party(transactions, items, few=True))
        finally:
            self._room.leave(*taken)

    def _vouched(self, data: bytes, stand: int) -> Item:
        found = read_plain(data, self._ledger.network)
        if found is not None and stand == (1 << len(found[1])) - 1:
            return data, found[0]
        return self._reopened(data, stand)

    # --- verifying ---

    def _send(self, transactions: Sequence[bytes]) -> list[Chunk]:
        """Send many transactions to the processes, in chunks; none for a few."""
        if len(transactions) < MANY:
            return []
        with self._lock:
            if self._collections is None and not self._room.closed:
                self._begin()
        if self._verifiers is None:
            return []
        # Shared out when processes have nothing else to do; else whole, for each chunk has a cost of its own.
        shares = max(1, self._verifiers.idle)
        chunks: list[Chunk] = []
        for part in _parts(transactions, min(CHUNK, -(-len(transactions) // shares)), CHUNK_BYTES):
            chunks.append(Chunk(part, self._key_rows(signers_of(part))))
            self._verifiers.send(chunks[-1])
        return chunks

    def _key_rows(self, kids: set[bytes]) -> dict[bytes, bytes]:
        """The rows of these keys. A row that was read once will do: a key id is the hash of the key that it names."""
        rows = self._rows
        missing = kids.difference(rows)
        if missing:
            if len(rows) > _ROWS_MOST:
                rows = self._rows = {}
                missing = kids
            rows.update({name[1:]: row for name, row in self._ledger.key_rows(missing).items()})
        return {_KEY + kid: rows[kid] for kid in kids if kid in rows}

    def _taken(self, transactions: Sequence[bytes], chunks: list[Chunk]) -> list[Item]:
        """The transactions as a group takes them, when they come back from the processes (or never went)."""
        items: list[Item] = []
        for chunk in chunks:
            part = transactions[len(items) : len(items) + chunk.count]
            found = chunk.found()
            if found is None:
                if self._verifiers is not None:
                    self._verifiers.forsake(chunk)
                found = self._judged(part)
            items += self._items(part, found)
        return items if chunks else self._items(transactions, self._judged(transactions))

    def _judged(self, transactions: Sequence[bytes]) -> list[Found]:
        """What a process would say of these, by this thread."""
        return self._verifier.judge(transactions, self._key_rows(signers_of(transactions)))

    def _items(self, transactions: Sequence[bytes], found: Sequence[Found]) -> list[Item]:
        if int not in set(map(type, found)):
            return list(zip(transactions, found, strict=True))  # type: ignore[arg-type]
        return [
            self._reopened(data, one) if type(one) is int else (data, one)  # type: ignore[misc]
            for data, one in zip(transactions, found, strict=True)
        ]

    def _reopened(self, data: bytes, stand: int) -> Item:
        """A transaction of which a process has said only which of its signatures stand."""
        item = self._ledger.open(data)
        opened = item[1]
        if stand and isinstance(opened, SignedTransaction):
            for place, (kid, signature) in enumerate(opened.witnesses):
                key = self._key(opened, kid) if stand >> place & 1 else None
                if key is not None:
                    key.take_word(signature, opened.message)
        return item

    def _key(self, transaction: SignedTransaction, kid: bytes) -> PublicKey | None:
        """The key with this id that may sign: certified, registered or registering itself; None for any other."""
        authority, record = self._ledger.genesis.authority, transaction.record
        if authority.holds(kid):
            return authority.key(kid)
        if isinstance(record, RegisterKey | RotateKey):
            try:
                new = public_key(record.algorithm, record.public_key)
            except Malformed:
                return None
            if new.kid == kid:
                return new
        # Not asked of the store each time: whoever commits holds it, and every single submit would wait for that.
        row = self._key_rows({kid}).get(_KEY + kid)
        registered = None if row is None else decoded(StateKey(KEY, kid), row)
        return registered.key if isinstance(registered, RegisteredKey) else None

    def _settle(self, transactions: Sequence[bytes], chunks: list[Chunk]) -> list[Answer]:
        """Let many stand in line once they are verified; their answers."""
        count = len(transactions) if chunks else 0
        self._line.expected_more(count)
        try:
            items = self._taken(transactions, chunks)
        except BaseException:
            self._line.expected_more(-count)
            raise
        return self._line.answered(Party(transactions, items, few=not chunks), came=count)

    def close(self) -> None:
        """Refuse who comes from now on, and end the processes; who is inside is answered."""
        self._room.close()
        # Nobody begins any more (`_send`), so what was remembered is put back once.
        with self._lock:
            if self._collections is not None:
                gc.set_threshold(*self._collections)
                self._collections = None
        if self._verifiers is not None:
            self._verifiers.close()


def _parts(transactions: Sequence[bytes], size: int, most_bytes: int) -> Iterator[Sequence[bytes]]:
    """At most `size` transactions at a time, and no more bytes than `most_bytes` (or one transaction)."""
    start, length = 0, 0
    for place, data in enumerate(transactions):
        if place > start and (place - start == size or length + len(data) > most_bytes):
            yield transactions[start:place]
            start, length = place, 0
        length += len(data)
    yield transactions[start:]
