"""The pipeline: many submit at once, signatures are checked on every core, and one commit serves all who wait.

    pipeline = Pipeline(ledger, workers=2, capacity=20_000)
    pipeline.submit(bytes) -> Receipt
    pipeline.submit_many([bytes...]) -> [Receipt | refusal...]
    pipeline.close()

It answers what `cbdc.ledger.ledger.Ledger` answers, for it only changes who does which part of the work:

- **many** transactions of one call go in chunks to verifying processes (`cbdc.ledger.verifying`), with the keys they
  need, and the next ones are verified while these are committed;
- a **few** are put down, and whoever finds nobody gathering gathers: reads and verifies all that was put down, his own
  and others', in his thread or, when they have become many, in the processes. The others sleep until they have answers;
- what is verified stands in line. Whoever finds nobody leading leads: takes all that stands in line, up to a group,
  decides it in order and commits it once. The others wait, and the first of those who came meanwhile leads next;
- a few never wait for company: one alone is committed at once, and under load a group is what came during a commit.
  Only many, when nobody leads, wait while processes verify more than stands in line: both cores are busy then, and a
  commit costs about what verifying twenty transactions costs. A clock that is set when they begin to wait ends it.

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

from cbdc.errors import Malformed, TengeError, Unavailable
from cbdc.keys import PublicKey, public_key
from cbdc.ledger.entry import Receipt
from cbdc.ledger.group import Item, decoded
from cbdc.ledger.ledger import MAX_GROUP, Ledger
from cbdc.ledger.plain import read_plain
from cbdc.ledger.state import KEY, RegisteredKey, StateKey
from cbdc.ledger.verifying import CHUNK, CHUNK_BYTES, SELDOM, Chunk, Found, Verifier, Verifiers, signers_of
from cbdc.transaction import RegisterKey, RotateKey, SignedTransaction

Answer = Receipt | TengeError

MANY = 16
"""From so many transactions on, processes verify them; fewer are done in a caller's thread."""

UNIT = 1_024
"""How many transactions of one call are committed together, while others of it are verified."""

UNIT_BYTES = 4 << 20
CAPACITY_BYTES = 128 << 20
"""How many bytes of transactions are inside at most, unless somebody says otherwise: an assumption."""

_WINDOW = 4 * UNIT
_WINDOW_BYTES = 4 * UNIT_BYTES
HELD_SECONDS = 0.1
"""How long verified transactions wait at most for others that processes are verifying: an assumption."""

_ROWS_MOST = 50_000
_KEY = bytes([KEY])


class _Party:
    """The transactions of one call that stand in line together, and what became of them."""

    __slots__ = ("answers", "called", "failure", "few", "gathers", "gone", "items", "leads", "transactions")

    def __init__(self, transactions: Sequence[bytes], items: list[Item], *, few: bool) -> None:
        """`items` are filled in when they are verified; a `few` are never held back."""
        self.transactions = transactions
        self.items = items
        self.few = few
        self.answers: list[Answer] | None = None
        self.failure: BaseException | None = None
        self.gathers = self.leads = self.gone = False
        # A bare lock is the cheapest thing that a thread can sleep on: it is taken here and given back to wake.
        self.called = Lock()
        self.called.acquire()

    def call(self) -> None:
        """Wake its owner, to gather, to lead or to take the answers. What it is woken for must be said before."""
        # He may have got up by himself and not have used up an earlier call.
        if self.called.locked():
            self.called.release()

    def wait(self) -> bool:
        """Sleep until called, or for a while when others may be waited for; whether called."""
        return self.called.acquire(timeout=-1 if self.few else HELD_SECONDS)

    @property
    def size_bytes(self) -> int:
        """How long its transactions are together."""
        return sum(map(len, self.transactions))


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
        `late` starts the processes when many transactions first come together: a program whose clients send single
        payments never has them.
        """
        assert workers >= 0
        assert capacity >= 1
        assert capacity_bytes >= 1
        self._ledger = ledger
        self._capacity = capacity
        self._lock = Lock()
        self._capacity_bytes = capacity_bytes
        self._inside = 0
        self._inside_bytes = 0
        self._few: deque[_Party] = deque()
        self._gathered = False
        self._line: deque[_Party] = deque()
        self._led = False
        # How many stand in line, how many of those are of a few, and how many the processes have before they stand.
        self._standing = self._standing_few = self._expected = 0
        self._closed = False
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
        return self._inside

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
        room, room_bytes = self._enter(transactions)
        try:
            if room == len(transactions) < MANY and room_bytes == sum(map(len, transactions)):
                return self._together(_Party(transactions, [], few=True))
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
            self._leave(room, room_bytes)
        return answers

    def submit_vouched(self, transactions: Sequence[bytes], stands: Sequence[int]) -> list[Answer]:
        """`submit_many`, with the word of somebody whom the ledger believes about signatures, for one group at most.

        Each of `stands` has a bit for each signature of its transaction, by place, set when that signature stands. It
        counts for the key with that id and no other; what it does not vouch for is verified as ever.
        """
        assert len(transactions) == len(stands) <= MAX_GROUP
        if not transactions:
            return []
        room = self._enter(transactions)
        try:
            items = [self._vouched(*one) for one in zip(transactions, stands, strict=True)]
            return self._answered(_Party(transactions, items, few=True))
        finally:
            self._leave(*room)

    def _vouched(self, data: bytes, stand: int) -> Item:
        found = read_plain(data, self._ledger.network)
        if found is not None and stand == (1 << len(found[1])) - 1:
            return data, found[0]
        return self._reopened(data, stand)

    def _enter(self, transactions: Sequence[bytes]) -> tuple[int, int]:
        """Take room for these or for as many and as long ones as ever go together; how many and how long that is."""
        room = min(len(transactions), _WINDOW, self._capacity)
        room_bytes = min(sum(map(len, transactions)), _WINDOW_BYTES, self._capacity_bytes)
        with self._lock:
            if self._closed:
                raise Unavailable("E_PIPELINE_CLOSED")
            if self._inside + room > self._capacity:
                raise Unavailable("E_BUSY", waiting=self._inside, capacity=self._capacity)
            if self._inside_bytes + room_bytes > self._capacity_bytes:
                raise Unavailable(
                    "E_BUSY_BYTES", waiting_bytes=self._inside_bytes, capacity_bytes=self._capacity_bytes
                )
            self._inside += room
            self._inside_bytes += room_bytes
        return room, room_bytes

    def _leave(self, room: int, room_bytes: int) -> None:
        with self._lock:
            self._inside -= room
            self._inside_bytes -= room_bytes

    # --- verifying ---

    def _send(self, transactions: Sequence[bytes]) -> list[Chunk]:
        """Send many transactions to the processes, in chunks; none for a few."""
        if len(transactions) < MANY:
            return []
        with self._lock:
            if self._collections is None and not self._closed:
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

    # --- a few ---

    def _together(self, party: _Party) -> list[Answer]:
        """Put a few down, for whoever gathers, or gather; their answers."""
        try:
            with self._lock:
                self._few.append(party)
                party.gathers, self._gathered = not self._gathered, True
            while not (party.gathers or party.leads or party.items or party.failure is not None):
                party.wait()
            if party.gathers:
                self._gather(party)
        except BaseException:
            self._give_up(party)
            raise
        return self._answered(party, stands=True)

    def _gather(self, own: _Party) -> None:
        """Verify what was put down and let it stand in line, until nothing is there or `own` can be led or is done."""
        while own.gathers:
            some: list[_Party] = []
            try:
                with self._lock:
                    while self._few and len(some) < UNIT:
                        some.append(self._few.popleft())
                data = [one for party in some for one in party.transactions]
                items = self._taken(data, self._send(data))
            except BaseException as failure:
                self._not_gathered(some, own, failure)
                raise
            start = 0
            for party in some:
                party.items = items[start : start + len(party.transactions)]
                start += len(party.transactions)
            with self._lock:
                self._stand(some)
                done = own.answers is not None or own.failure is not None
                if not self._led:
                    if done:
                        self._call_next()
                    else:
                        own.leads = self._led = True
                if done or own.leads or not self._few:
                    self._gather_next(own)

    def _gather_next(self, own: _Party) -> None:
        """Let the first who put something down gather, or nobody. The lock is held."""
        own.gathers = False
        self._gathered = bool(self._few)
        if self._few:
            self._few[0].gathers = True
            self._few[0].call()

    def _not_gathered(self, some: list[_Party], own: _Party, failure: BaseException) -> None:
        """The same fails for all; but if only this thread was interrupted, the next one does it."""
        others = [party for party in some if party is not own]
        with self._lock:
            if not isinstance(failure, Exception):
                self._few.extendleft(reversed(others))
            self._gather_next(own)
        if isinstance(failure, Exception):
            for party in others:
                party.failure = failure
                party.call()

    # --- the line ---

    def _settle(self, transactions: Sequence[bytes], chunks: list[Chunk]) -> list[Answer]:
        """Let many stand in line once they are verified; their answers."""
        count = len(transactions) if chunks else 0
        self._expected_more(count)
        try:
            items = self._taken(transactions, chunks)
        except BaseException:
            self._expected_more(-count)
            raise
        return self._answered(_Party(transactions, items, few=not chunks), came=count)

    def _expected_more(self, count: int) -> None:
        if count:
            with self._lock:
                self._expected += count
                # Whoever was waited for may not be coming.
                if count < 0 and not self._led:
                    self._call_next()

    def _stand(self, parties: Sequence[_Party]) -> None:
        """Put verified parties at the end of the line. The lock is held."""
        for party in parties:
            if party.gone:
                continue
            self._line.append(party)
            self._standing += len(party.items)
            self._standing_few += party.few

    def _due(self) -> bool:
        """Whether somebody should lead now: a few stand in line, or as many as are still being verified."""
        return bool(self._line) and (self._standing_few > 0 or self._standing >= min(self._expected, UNIT))

    def _answered(self, party: _Party, *, stands: bool = False, came: int = 0) -> list[Answer]:
        """Stand in line with a party, if it does not yet, and lead if nobody does; its answers.

        `came` is how many of it were expected.
        """
        try:
            if not stands:
                with self._lock:
                    self._expected -= came
                    self._stand([party])
                    if not self._led and self._due():
                        party.leads = self._led = True
            while party.answers is None and party.failure is None:
                if party.leads:
                    self._lead(party)
                elif not party.wait():
                    with self._lock:
                        # It may have been answered since it got up: then there is nothing to lead for.
                        if not self._led and party.answers is None and party.failure is None:
                            party.leads = self._led = True
        except BaseException:
            # Ctrl-C while waiting: nobody may be left to wait for a leader that is gone.
            self._give_up(party)
            raise
        if party.failure is not None:
            raise party.failure
        assert party.answers is not None
        return party.answers

    def _lead(self, leader: _Party) -> None:
        """Commit what stands in line, from the front; then call the next to lead, if anybody came meanwhile."""
        with self._lock:
            group: list[_Party] = []
            count = size_bytes = 0
            while self._line and (
                not group
                or (
                    count + len(self._line[0].items) <= MAX_GROUP
                    and size_bytes + self._line[0].size_bytes <= _WINDOW_BYTES
                )
            ):
                group.append(self._line.popleft())
                count += len(group[-1].items)
                size_bytes += group[-1].size_bytes
                self._standing_few -= group[-1].few
            self._standing -= count
        try:
            answers = self._ledger.settle([item for party in group for item in party.items])
            start = 0
            for party in group:
                party.answers = answers[start : start + len(party.items)]
                start += len(party.items)
        except BaseException as failure:
            for party in group:
                # Whoever only waited was not interrupted; what became of his transactions is not known.
                party.failure = failure if isinstance(failure, Exception) else _interrupted()
            if not isinstance(failure, Exception):
                raise
        finally:
            with self._lock:
                leader.leads = False
                self._call_next()
            for party in group:
                party.call()

    def _call_next(self) -> None:
        """Let the first in line lead, or nobody. The lock is held."""
        self._led = self._due()
        if self._led:
            # Who gathers is busy: another one, if there is one, begins at once.
            leader = next((party for party in self._line if not party.gathers), self._line[0])
            leader.leads = True
            leader.call()

    def _give_up(self, party: _Party) -> None:
        with self._lock:
            party.gone = True
            if party in self._few:
                self._few.remove(party)
            if party in self._line:
                self._line.remove(party)
                self._standing -= len(party.items)
                self._standing_few -= party.few
            if party.gathers:
                self._gather_next(party)
            if party.leads:
                party.leads = False
                self._call_next()

    def close(self) -> None:
        """Refuse who comes from now on, and end the processes; who is inside is answered."""
        with self._lock:
            if not self._closed and self._collections is not None:
                gc.set_threshold(*self._collections)
            self._closed = True
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


def _interrupted() -> Unavailable:
    return Unavailable("E_STORE_OUTCOME", detail="the program was interrupted")
