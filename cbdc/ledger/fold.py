"""A fold: the journal judged again entry by entry, as fast as it was written, over rows of its own.

It is the audit's replay. Each entry must decode, follow the one before it, carry the id under which it is found, and be
allowed by the rules; then its changes are made. The first entry that is not, is the last that is judged. Entries of one
moment are decided together (`cbdc.ledger.group`), plain transfers on numbers (`cbdc.ledger.fold_plain`); everything
that is not plainly right goes to the general judge, which gives the code. Signatures are verified by whoever reads for
the fold: by this process, by processes beside it (`cbdc.ledger.ahead`), or by nobody, if that is asked for and said.

The state stands in `Rows`: in memory while it is small, in a file of its own when it is not. Ids of transactions that
spend something need not be kept: whoever logs one again finds its tokens gone.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import cast

import msgspec

from cbdc import keys
from cbdc.errors import Refused, TengeError
from cbdc.ledger.ahead import Unit
from cbdc.ledger.entry import Genesis, open_entry, open_genesis
from cbdc.ledger.entry_form import Parts, parts_of
from cbdc.ledger.fold_plain import PlainFold
from cbdc.ledger.group import Group, Item
from cbdc.ledger.ledger import genesis_row
from cbdc.ledger.plain import Plain
from cbdc.ledger.reading import Brief
from cbdc.ledger.rows import SEEN, Rows, plain_row
from cbdc.ledger.rules_plain import Holder
from cbdc.ledger.state import KEY, TOKEN
from cbdc.ledger.store import Store
from cbdc.transaction import RegisterKey, RotateKey, SignedTransaction, open_transaction

_SEEN = bytes([SEEN])
_KEY = bytes([KEY])
_TOKEN = bytes([TOKEN])
_MOST_HOLDERS = 100_000


class _Judge(Group):
    """A group that is judged and never committed."""


class Fold:
    """The state after the entries that were taken. `bad` is the place of the first entry that is not allowed."""

    def __init__(self, rows: Rows, signatures: bool = True) -> None:
        """`signatures` false: nobody verifies what witnesses signed. Whoever asks for that must say so."""
        self.rows = rows
        self.genesis: Genesis | None = None
        self.size = 0
        self.last_time = 0
        self.bad: int | None = None
        self.error: TengeError | None = None
        self._signatures = signatures
        self._holders: dict[bytes, Holder] = {}
        self._plain: PlainFold | None = None

    def take(self, unit: Unit) -> list[int]:
        """Judge the next entries and make their changes; the times of those whose changes were made.

        Nothing is raised: `bad` and `error` say where and why it stopped, and nothing is judged after that.
        """
        times: list[int] = []
        place = 0
        if self.genesis is None and self.bad is None:
            self._begin(unit, times)
            place = 1
        while place < len(unit.rows) and self.bad is None:
            place = self._decide_plain(unit, place, times)
            if place == len(unit.rows):
                break
            run = self._run(unit, place)
            if run:
                self._decide(unit, place, run, times)
                place += len(run)
            else:
                self._decide_alone(unit, place, times)
                place += 1
        return times

    def _stop(self, error: TengeError) -> None:
        self.bad, self.error = self.size, error

    def _done(self, unit: Unit, place: int, time: int, times: list[int]) -> None:
        times.append(time)
        self.size += 1
        if place not in unit.odd:
            self.last_time = time

    def _begin(self, unit: Unit, times: list[int]) -> None:
        row = unit.rows[0]
        try:
            time, payload = self._opened(unit, 0)
            self.genesis = open_genesis(payload)
            if genesis_row(payload, self.genesis.network, time).transaction_id != row.transaction_id:
                raise Refused("E_AUDIT_ID", index=0)
        except TengeError as error:
            self._stop(error)
            return
        self._done(unit, 0, time, times)

    # --- reading ---

    def _opened(self, unit: Unit, place: int) -> tuple[int, bytes]:
        """Time and payload of an entry that may be the next; its refusal."""
        row, parts = unit.rows[place], parts_of(unit.rows[place].data)
        if parts is None:
            entry = open_entry(row.data)
            parts = (entry.index, entry.time, entry.payload)
        index, time, payload = parts
        if (row.index, index) != (self.size, self.size):
            raise Refused("E_AUDIT_ORDER", index=self.size, found=index)
        if time < self.last_time:
            raise Refused("E_AUDIT_TIME", index=self.size, time=time, before=self.last_time)
        return time, payload

    def _run(self, unit: Unit, start: int) -> list[Item]:
        """The entries from `start` on that can be decided together: of one time, each in its place, under its id."""
        items: list[Item] = []
        time: int | None = None
        idle: dict[bytes, int] = {}
        for place in range(start, len(unit.rows)):
            row, parts = unit.rows[place], parts_of(unit.rows[place].data)
            number = self.size + place - start
            if parts is None or (row.index, parts[0]) != (number, number):
                break
            if parts[1] != time and (time is not None or parts[1] < self.last_time):
                break
            if items and type(unit.said[place]) is tuple and self.rows.known() is not None:
                break  # numbers again
            time = parts[1]
            opened = self._transaction(unit, place, parts[2])
            if isinstance(opened, TengeError) or opened.id != row.transaction_id:
                break
            if isinstance(opened, SignedTransaction) and not opened.record.spends:
                if opened.id in idle:
                    break
                idle[opened.id] = len(items)
            items.append((parts[2], opened))
        if idle:
            known = self.rows.get_many(_SEEN + identity for identity in idle)
            if known:
                return items[: min(idle[key[1:]] for key in known)]
        return items

    def _transaction(self, unit: Unit, place: int, payload: bytes) -> SignedTransaction | Plain | TengeError:
        assert self.genesis is not None
        said = unit.said[place]
        if not isinstance(said, int):
            return _plain(unit.rows[place].transaction_id, said, unit)
        try:
            opened = open_transaction(payload, self.genesis.network)
        except TengeError as error:
            return error
        for bit, (kid, signature) in enumerate(opened.witnesses):
            if said >> bit & 1 and (key := self._key(opened, kid)) is not None:
                key.take_word(signature, opened.message)
        return opened

    def _key(self, opened: SignedTransaction, kid: bytes) -> keys.PublicKey | None:
        """The key whose signature a verifier found to stand: a kid is a hash of its key, so it can be no other."""
        assert self.genesis is not None
        if self.genesis.authority.holds(kid):
            return self.genesis.authority.key(kid)
        record = opened.record
        if isinstance(record, RegisterKey | RotateKey):
            own = keys.PublicKey(record.algorithm, record.public_key)
            if own.kid == kid:
                return own
        row = self.rows.get(_KEY + kid)
        return None if row is None else keys.PublicKey(*msgspec.msgpack.decode(row)[:2])

    # --- deciding ---

    def _decide_plain(self, unit: Unit, place: int, times: list[int]) -> int:
        """Take plain transfers as long as nothing speaks against them; the place of the first that is not taken."""
        rows = self.rows.known()
        if rows is None or self.genesis is None or type(unit.said[place]) is int:
            return place
        if self._plain is None:
            self._plain = PlainFold(self.genesis.policy)
        entries = zip(unit.rows[place:], unit.times[place:], unit.said[place:], strict=True)
        taken = self._plain.take(rows, entries, unit.kids, self.last_time)
        if taken:
            times += unit.times[place : place + taken]
            self.size += taken
            self.last_time = times[-1]
            self.rows.apply({})
        return place + taken

    def _decide(self, unit: Unit, start: int, run: list[Item], times: list[int]) -> None:
        parts = cast(Parts, parts_of(unit.rows[start].data))
        seen: dict[bytes, bytes | None] = {}
        with self._trust():
            judge = self._judge(parts[1], run)
            for place, item in enumerate(run, start):
                error = _refusal(judge, item)
                if error is not None:
                    self._stop(error)
                    break
                self._done(unit, place, parts[1], times)
                opened = item[1]
                if isinstance(opened, SignedTransaction) and not opened.record.spends:
                    seen[_SEEN + opened.id] = b"1"
        self._apply(judge.changes | seen)

    def _decide_alone(self, unit: Unit, place: int, times: list[int]) -> None:
        """An entry about which something is not plainly right: every question in its order."""
        assert self.genesis is not None
        row = unit.rows[place]
        try:
            time, payload = self._opened(unit, place)
            opened = open_transaction(payload, self.genesis.network)
            with self._trust():
                judge = self._judge(time, [(payload, opened)])
                error = _refusal(judge, (payload, opened))
            if error is not None:
                raise error
            if opened.id != row.transaction_id:
                raise Refused("E_AUDIT_ID", index=self.size)
        except TengeError as error:
            self._stop(error)
            return
        place_in_journal = self.size
        self._apply(judge.changes)
        key = _SEEN + opened.id
        self._done(unit, place, time, times)
        if not opened.record.spends and self.rows.get(key) is not None:
            self.bad, self.error = place_in_journal, Refused("E_AUDIT_REPLAY", index=place_in_journal)
        elif not opened.record.spends:
            self.rows.apply({key: b"1"})

    def _apply(self, changes: dict[bytes, bytes | None]) -> None:
        self.rows.apply(changes)
        for key in changes:
            if key[0] == KEY:
                self._holders.pop(key[1:], None)
                if self._plain is not None:
                    self._plain.forget(key[1:])
        if len(self._holders) > _MOST_HOLDERS:
            self._holders.clear()

    def _judge(self, now: int, items: list[Item]) -> _Judge:
        assert self.genesis is not None
        return _Judge(self.genesis, cast(Store, self.rows), self.size, now, items, self._holders)

    def _trust(self) -> AbstractContextManager[None]:
        return nullcontext() if self._signatures else keys.signatures_unasked()


def _plain(identity: bytes, said: Brief, unit: Unit) -> Plain:
    """The plain transfer of that id, all of whose signatures stand, as a group takes it."""
    signers, spends, payees, amounts, _ = said
    stem, kids = _TOKEN + identity, unit.kids
    creates = [
        (stem + place.to_bytes(2, "big"), kids[payee], amount, plain_row(amount, kids[payee]))
        for place, (payee, amount) in enumerate(zip(payees, amounts, strict=True))
    ]
    return Plain(identity, spends, tuple(creates), tuple([kids[signer] for signer in signers]))


def _refusal(judge: Group, item: Item) -> TengeError | None:
    """Why the rules do not allow a transaction; None when they do, and it is decided."""
    try:
        judge.add(item)
    except TengeError as error:
        return error
    except AssertionError as broken:
        return Refused("E_AUDIT_CONSERVATION", detail=str(broken))
    return None
