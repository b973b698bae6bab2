"""The ledger: the only writer. Reads what the rules need, asks them, and commits a whole group at once.

    submit(bytes) -> Receipt                 one transaction
    submit_many([bytes...]) -> [Receipt | refusal...]   a group: one durable commit, one signed head

Rules kept here:

- the same transaction again gives the same receipt, for ever; a refusal leaves no trace and is judged again;
- a group is decided in order, each transaction seeing what the ones before it did;
- virtual time never falls from entry to entry, whatever the clock says;
- if the store cannot commit, nothing has happened: the log in memory is cut back before the error goes up, and is read
  again before the next commit, in case the store had finished after all or another writer was faster;
- threads take turns: a group is decided and committed before the next one looks at the state.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import cast

from cbdc import authority
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import Signer
from cbdc.ledger.entry import (
    Entry,
    Genesis,
    LogHead,
    MerkleLog,
    Receipt,
    leaf_hash,
    open_entry,
    open_genesis,
)
from cbdc.ledger.group import Group, Item, decoded
from cbdc.ledger.rules_plain import Holder
from cbdc.ledger.state import (
    FREEZE,
    KEY,
    SUPPLY_KEYS,
    TOKEN,
    RegisteredKey,
    StateKey,
    StateValue,
    holding_counter,
    mark_counter,
    token_id,
    token_key,
)
from cbdc.ledger.store import Commit, EntryRow, Store
from cbdc.ports import Clock
from cbdc.record import Signed, object_id, open_envelope, sign
from cbdc.token import Token, TokenId
from cbdc.transaction import SignedTransaction, open_transaction

GENESIS_TYPE = 80
MAX_GROUP = 4_000
ROWS_MOST = 100_000
_HOLDERS_MOST = 50_000
_LEAVES_AT_ONCE = 4_096
_TOKEN = bytes([TOKEN])
_KEY = bytes([KEY])


@dataclass(frozen=True, slots=True)
class Supply:
    """The supply table, in tiyn: what was issued and redeemed, and who holds the difference."""

    issued_tiyn: int
    redeemed_tiyn: int
    bank_inventory_tiyn: int
    treasury_tiyn: int
    wallets_tiyn: int
    escrow_tiyn: int
    loss_reserve_tiyn: int

    @property
    def outstanding_tiyn(self) -> int:
        """Issued minus redeemed."""
        return self.issued_tiyn - self.redeemed_tiyn

    @property
    def held_tiyn(self) -> int:
        """What all holders hold together; equals `outstanding_tiyn` in every state there ever is."""
        return (
            self.bank_inventory_tiyn
            + self.treasury_tiyn
            + self.wallets_tiyn
            + self.escrow_tiyn
            + self.loss_reserve_tiyn
        )


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that a receipt's entry is in the log of a head: check it with `entry.check_inclusion`."""

    leaf: bytes
    index: int
    head: Signed[LogHead]
    proof: list[bytes]


def genesis_row(payload: bytes, network: bytes, time: int) -> EntryRow:
    """Entry 0 as a row: its id is the hash of its payload under its own type."""
    data = Entry(0, time, payload).encode()
    return EntryRow(0, object_id(LogHead.DOMAIN, GENESIS_TYPE, network, payload), data, leaf_hash(data))


class Ledger:
    """The one writer of a store. Open an existing journal, or `create` a new one from a genesis."""

    def __init__(self, store: Store, signer: Signer, clock: Clock) -> None:
        """Raises E_LEDGER_EMPTY without entry 0, E_LEDGER_DAMAGED when the log does not match its last signed head.

        E_AUTHORITY or E_AUTHORITY_TIME when `signer` is no ledger's key.
        """
        self._store = store
        self._signer = signer
        self._clock = clock
        self._turn = Lock()
        # What the group before has found out about keys: this is the only writer.
        self._holders: dict[bytes, Holder] = {}
        self._rows: dict[bytes, bytes | None] = {}
        self._remembers = False
        self._read()
        self._require_ledgers_key()

    def _require_ledgers_key(self) -> None:
        """The key was a ledger's when the last entry was made, or is one now: the next key's days may begin later."""
        certificates, kid = self.genesis.authority, self._signer.public.kid
        try:
            certificates.require(kid, authority.LEDGER, self._last_time)
        except Refused:
            certificates.require(kid, authority.LEDGER, self._clock.now())

    def _read(self) -> None:
        """Take the genesis, the log and the last head from the store."""
        self._forget()
        first = next(self._store.entries(0, 1), None)
        if first is None:
            raise Refused("E_LEDGER_EMPTY")
        log = MerkleLog(lambda start, stop: b"".join(self._store.leaves(start, stop)))
        self._follow(log, first)
        self._stale = False

    def _read_again(self) -> None:
        """The same after a commit that failed; what was read before stands if the last head covers it."""
        self._forget()
        first = next(self._store.entries(0, 1), None)
        if first is None:
            raise Refused("E_LEDGER_EMPTY")
        try:
            self._follow(self._log.copy(), first)
        except Refused:
            self._read()
        self._stale = False

    def _follow(self, log: MerkleLog, first: EntryRow) -> None:
        """Add to a log what the store has beyond it, and take it as this ledger's if the last head says the same."""
        leaves = self._store.leaves(log.size)
        while some := b"".join(islice(leaves, _LEAVES_AT_ONCE)):
            log.extend_joined(some)
        try:
            self._take(log, first, next(self._store.entries(log.size - 1), first))
        except Unavailable:
            raise
        except TengeError as error:
            raise Refused("E_LEDGER_DAMAGED", entries=log.size) from error

    def remember_rows(self) -> None:
        """Keep the rows of the state that were last read or written from group to group: at most `ROWS_MOST`.

        For whoever submits much. They are forgotten when a commit fails, and when the journal in the store is not as
        long as this ledger knows it: then another one has written.
        """
        self._remembers = True

    def _forget(self) -> None:
        self._holders.clear()
        self._rows.clear()

    def _known_rows(self) -> dict[bytes, bytes | None]:
        """What is known of the state before a group."""
        if not self._remembers:
            return {}
        if self._rows and self._store.size() != self.size:
            self._forget()
        if len(self._rows) > ROWS_MOST:
            self._rows.clear()
        return self._rows

    def _take(self, log: MerkleLog, first: EntryRow, last: EntryRow) -> None:
        damaged = Refused("E_LEDGER_DAMAGED", entries=log.size)
        self.genesis: Genesis = open_genesis(open_entry(first.data).payload)
        envelope = self._store.head_covering(log.size - 1)
        if envelope is None or leaf_hash(last.data) != log.leaf(log.size - 1):
            raise damaged
        head = open_envelope(envelope, LogHead, self.genesis.network)
        self.genesis.verify_head(head)
        entry = open_entry(last.data)
        expected = LogHead(log.size, log.root(), entry.time)
        if head.record != expected or entry.index != log.size - 1:
            raise damaged
        self._log, self._head, self._last_time = log, head, entry.time

    @classmethod
    def create(cls, store: Store, genesis_payload: bytes, signer: Signer, clock: Clock) -> "Ledger":
        """A new ledger in an empty store; E_STORE_CONFLICT when the store is not empty.

        E_AUTHORITY or E_AUTHORITY_TIME when the genesis does not make `signer` a ledger's key now.
        """
        genesis = open_genesis(genesis_payload)
        now = clock.now()
        genesis.authority.require(signer.public.kid, authority.LEDGER, now)
        row = genesis_row(genesis_payload, genesis.network, now)
        log = MerkleLog()
        log.append(row.leaf)
        head = sign(LogHead(1, log.root(), now), genesis.network, signer)
        store.commit(Commit(0, (row,), {}, {}, head.encode()))
        return cls(store, signer, clock)

    @property
    def network(self) -> bytes:
        """The network id, 8 bytes."""
        return self.genesis.network

    @property
    def size(self) -> int:
        """How many entries, genesis included."""
        return self._head.record.size

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of one transaction, or its refusal raised."""
        result = self.submit_many([transaction])[0]
        if isinstance(result, TengeError):
            raise result
        return result

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        """For each transaction in order its receipt or its refusal; accepted ones are durable when this returns.

        Raises E_STORE_UNAVAILABLE, E_STORE_CONFLICT or E_STATE_DAMAGED when the store failed. More than `MAX_GROUP`
        transactions are several commits, of which the first may stand: sending all again gives the same receipts.
        """
        results: list[Receipt | TengeError] = []
        for start in range(0, len(transactions), MAX_GROUP):
            results += self.settle([self.open(data) for data in transactions[start : start + MAX_GROUP]])
        return results

    def open(self, transaction: bytes) -> Item:
        """A transaction as a group takes it, judged as far as possible without the ledger."""
        try:
            return transaction, open_transaction(transaction, self.network)
        except TengeError as error:
            return transaction, error

    def settle(self, items: Sequence[Item]) -> list[Receipt | TengeError]:
        """What `submit_many` answers, for at most `MAX_GROUP` transactions that were opened before: one commit."""
        with self._turn:
            return self._group(items)

    def _group(self, items: Sequence[Item]) -> list[Receipt | TengeError]:
        if self._stale:
            self._read_again()
        if len(self._holders) > _HOLDERS_MOST:
            self._holders.clear()
        ids = [None if isinstance(opened, TengeError) else opened.id for _, opened in items]
        known = self._store.find([identity for identity in ids if identity is not None])
        now = max(self._last_time, self._clock.now())
        fresh = [
            one
            for one, identity in zip(items, ids, strict=True)
            if identity is not None and identity not in known
        ]
        if fresh:
            # A head signed after the certificate's last day could never be opened again, and time never falls.
            self.genesis.authority.require(self._signer.public.kid, authority.LEDGER, now)
        try:
            group = Group(self.genesis, self._store, self.size, now, fresh, self._holders, self._known_rows())
            answers = _decided(group, items, ids, known)
            if group.places:
                self._commit(group)
        except BaseException:
            self._forget()
            raise
        places, head = group.places.get, self._head
        told: list[Receipt | TengeError] = []
        for answer in answers:
            if type(answer) is bytes and (place := places(answer)) is not None:
                told.append(Receipt(answer, place, now, head))
            else:
                told.append(
                    answer if isinstance(answer, TengeError) else self._receipt(answer, known[answer])
                )
        return told

    def _commit(self, group: Group) -> None:
        before = self._log.size
        group.check_conservation()
        entries = group.entries()
        self._log.extend([row.leaf for row in entries])
        try:
            head = sign(LogHead(self._log.size, self._log.root(), group.now), self.network, self._signer)
            self._store.commit(Commit(before, entries, group.changes, group.owners, head.encode()))
            # In here too: whoever is interrupted between the two finds out from the store what stands.
            self._head = head
            self._last_time = group.now
        except BaseException:
            self._log.truncate(before)
            self._stale = True
            raise

    def load(self, keys: Iterable[StateKey]) -> dict[StateKey, StateValue | None]:
        """The values of state keys, None where there is none; E_STATE_DAMAGED for one that cannot be read."""
        wanted = {key.pack(): key for key in keys}
        found = self._store.get_many(wanted)
        return {key: decoded(key, found.get(packed)) for packed, key in wanted.items()}

    def _look_again(self) -> None:
        """After a commit whose outcome is not known: see what the store holds, before a proof is given of it."""
        if self._stale:
            with self._turn:
                if self._stale:
                    self._read_again()

    def key_rows(self, kids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows of those of these keys that are registered, by packed state key, as the store keeps them."""
        return self._store.get_many([_KEY + kid for kid in kids])

    def find(self, transaction_id: bytes) -> Receipt | None:
        """The receipt of an accepted transaction, or None."""
        self._look_again()
        place = self._store.find([transaction_id]).get(transaction_id)
        return None if place is None else self._receipt(transaction_id, place)

    def _receipt(self, transaction_id: bytes, place: int) -> Receipt:
        entry = self.entry(place)
        envelope = self._store.head_covering(place)
        assert envelope is not None, "every entry is covered by a head"
        return Receipt(transaction_id, place, entry.time, open_envelope(envelope, LogHead, self.network))

    def entry(self, index: int) -> Entry:
        """The journal entry at `index`; E_ENTRY_UNKNOWN beyond the end."""
        row = next(self._store.entries(index, index + 1), None) if index >= 0 else None
        if row is None:
            raise Refused("E_ENTRY_UNKNOWN", index=index, size=self.size)
        return open_entry(row.data)

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The journal entries from `start` on, in order: for whoever follows the journal."""
        return (open_entry(row.data) for row in self._store.entries(start))

    def transaction(self, index: int) -> SignedTransaction:
        """The transaction at `index`, 1 or later."""
        return open_transaction(self.entry(index).payload, self.network)

    def head(self) -> Signed[LogHead]:
        """The newest signed head."""
        return self._head

    def inclusion(self, receipt: Receipt) -> Inclusion:
        """The proof that a receipt's entry is in the log of its own head; E_ENTRY_UNKNOWN out of range."""
        self._look_again()
        size = receipt.head.record.size
        if not 0 <= receipt.index < size <= self.size:
            raise Refused("E_ENTRY_UNKNOWN", index=receipt.index, size=self.size)
        proof = self._log.inclusion(receipt.index, size)
        return Inclusion(self._log.leaf(receipt.index), receipt.index, receipt.head, proof)

    def inclusion_of(self, index: int) -> Inclusion:
        """The proof that the entry at `index` is in the log of the newest head; E_ENTRY_UNKNOWN out of range."""
        self._look_again()
        size = self._head.record.size
        if not 0 <= index < size:
            raise Refused("E_ENTRY_UNKNOWN", index=index, size=self.size)
        return Inclusion(self._log.leaf(index), index, self._head, self._log.inclusion(index, size))

    def consistency(self, old_size: int) -> list[bytes]:
        """The proof that the present log continues the log of `old_size` entries; E_ENTRY_UNKNOWN out of range."""
        self._look_again()
        if not 0 < old_size <= self.size:
            raise Refused("E_ENTRY_UNKNOWN", index=old_size, size=self.size)
        return self._log.consistency(old_size, self.size)

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` entries; E_ENTRY_UNKNOWN out of range."""
        self._look_again()
        if not 0 < size <= self.size:
            raise Refused("E_ENTRY_UNKNOWN", index=size, size=self.size)
        return self._log.root(size)

    def token(self, identity: TokenId) -> Token | None:
        """An unspent token, or None."""
        key = token_key(identity)
        return cast(Token | None, self.load([key])[key])

    def tokens(self, identities: Sequence[TokenId]) -> dict[TokenId, Token]:
        """Those of these tokens that are unspent."""
        keys = {token_key(identity): identity for identity in identities}
        values = self.load(keys)
        return {identity: token for key, identity in keys.items() if isinstance(token := values[key], Token)}

    def registered(self, kid: bytes) -> RegisteredKey | None:
        """What the ledger knows of a key, or None."""
        key = StateKey(KEY, kid)
        return cast(RegisteredKey | None, self.load([key])[key])

    def owned(self, kid: bytes) -> list[tuple[TokenId, Token]]:
        """The unspent tokens a key id holds, in ascending order of their ids."""
        keys = [StateKey(TOKEN, packed[1:]) for packed in self._store.owned(kid) if packed[:1] == _TOKEN]
        values = self.load(keys)
        return [(token_id(key), token) for key in keys if isinstance(token := values[key], Token)]

    def owned_by_each(self, kids: Sequence[bytes]) -> dict[bytes, list[tuple[TokenId, Token]]]:
        """What `owned` says of each of these key ids, read in one go."""
        keys = {
            kid: [StateKey(TOKEN, packed[1:]) for packed in found if packed[:1] == _TOKEN]
            for kid, found in self._store.owned_by_each(kids).items()
        }
        values = self.load(key for found in keys.values() for key in found)
        return {
            kid: [(token_id(key), token) for key in found if isinstance(token := values[key], Token)]
            for kid, found in keys.items()
        }

    def supply(self) -> Supply:
        """The supply table as it stands."""
        values = self.load(SUPPLY_KEYS)
        return Supply(*(cast(int, values[key] or 0) for key in SUPPLY_KEYS))

    def marked_tiyn(self, mark: bytes) -> int:
        """How much money carries a mark, wherever it is."""
        key = mark_counter(mark)
        return cast(int, self.load([key])[key] or 0)

    def frozen(self, pseudonym: bytes) -> str:
        """The legal reference under which a holder is frozen, empty when it is not."""
        key = StateKey(FREEZE, pseudonym)
        return cast(str, self.load([key])[key] or "")

    def holding_tiyn(self, pseudonym: bytes) -> int:
        """What a wallet holder holds over all its keys and marks, as guard G9 counts it."""
        key = holding_counter(pseudonym)
        return cast(int, self.load([key])[key] or 0)


def _decided(
    group: Group, items: Sequence[Item], ids: Sequence[bytes | None], known: Mapping[bytes, int]
) -> list[bytes | TengeError]:
    """Decide in order what is not in the journal yet; for each transaction its id, or its refusal."""
    answers: list[bytes | TengeError] = []
    places, add = group.places, group.add
    for item, identity in zip(items, ids, strict=True):
        if identity is None:
            assert isinstance(item[1], TengeError)
            answers.append(item[1])
            continue
        answers.append(identity)
        if identity not in known and identity not in places:
            # A refusal belongs to these bytes, not to the id: the same id may come again, rightly signed.
            try:
                add(item)
            except Unavailable:
                raise
            except TengeError as error:
                answers[-1] = error
    return answers
