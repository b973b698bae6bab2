"""A group in the making: the state it has read, transactions decided one after the other, and what it will commit.

The state is kept as a store keeps it, bytes under bytes, so that nothing is encoded twice. A plain transfer is decided
on these bytes (`cbdc.ledger.rules_plain`); everything else, and every plain transfer that a rule might object to, goes
to the general judge (`cbdc.ledger.rules`) over typed values of the same rows. Both write to the same rows, in order.

What the group needs is read for the whole group at once, in as many rounds as names lead to more names.
"""

from collections.abc import Iterable, Sequence

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import PublicKey
from cbdc.ledger.entry import Genesis, entry_writer, leaf_hash
from cbdc.ledger.plain import Plain, plain_of
from cbdc.ledger.rules import decide, needs
from cbdc.ledger.rules_plain import Holder, Moment, PackedEffects, decide_plain, holder_in
from cbdc.ledger.state import (
    KEY,
    KIND_NAMES,
    MARK,
    SUPPLY_KEYS,
    TOKEN,
    StateKey,
    StateValue,
    decode_value,
    encode_value,
    token_key,
)
from cbdc.ledger.store import EntryRow, Store
from cbdc.token import TokenId
from cbdc.transaction import SignedTransaction, open_transaction

_KEY = bytes([KEY])
_SUPPLY = [key.pack() for key in SUPPLY_KEYS]


Opened = SignedTransaction | Plain | TengeError
"""What a transaction's bytes say: opened, or **verified** and plain, or why they say nothing."""

Item = tuple[bytes, Opened]
"""A transaction's wire bytes, and what they say."""


def decoded(key: StateKey, data: bytes | None) -> StateValue | None:
    """The value in a row; E_STATE_DAMAGED when it cannot be read."""
    if data is None:
        return None
    try:
        return decode_value(key.kind, data)
    except TengeError as error:
        raise Unavailable("E_STATE_DAMAGED", kind=KIND_NAMES[key.kind], row=key.id) from error


class Group:
    """Transactions that will be one commit at the moment `now`, after a journal of `size` entries."""

    def __init__(
        self,
        genesis: Genesis,
        store: Store,
        size: int,
        now: int,
        items: Sequence[Item],
        holders: dict[bytes, Holder],
        rows: dict[bytes, bytes | None] | None = None,
    ) -> None:
        """Reads what the new transactions `items` need; E_STORE_UNAVAILABLE, E_STATE_DAMAGED.

        `holders` is what is known of keys by key id, `rows` what is known of the state by packed key (None: it is not
        there). Both are kept up: if the group does not become a commit, nothing of them may be used any more.
        """
        self._genesis = genesis
        self._store = store
        self._size = size
        self.now = now
        self.changes: dict[bytes, bytes | None] = {}
        self.owners: dict[bytes, bytes] = {}
        self.places: dict[bytes, int] = {}
        self._payloads: list[bytes] = []
        self._rows = {} if rows is None else rows
        self._moment = Moment(genesis.policy, now)
        self._holders = holders
        self._plains: dict[bytes, Plain] = {}
        # Of the general judge: typed values of the rows it has seen, and what plain transfers have changed since.
        self._view: dict[StateKey, StateValue | None] = {}
        self._unseen: list[PackedEffects] = []
        self._complete: set[bytes] = set()
        self._born: set[StateKey] = set()
        self._names_born = False
        self._prefetch(items)

    # --- reading ---

    def _prefetch(self, items: Sequence[Item]) -> None:
        plains: list[tuple[Item, Plain]] = []
        general: list[Item] = []
        wanted = dict.fromkeys(_SUPPLY)
        payers: dict[bytes, None] = {}
        payees: dict[bytes, None] = {}
        for item in items:
            opened = item[1]
            if type(opened) is Plain:
                plain = opened
            else:
                found = plain_of(opened)  # type: ignore[arg-type]
                if found is None:
                    general.append(item)
                    continue
                plain = self._plains[item[0]] = found
            plains.append((item, plain))
            _, spends, creates, signers = plain
            for key in spends:
                wanted[key] = None
            for kid in signers:
                payers[kid] = None
            for _, kid, _, _ in creates:
                payees[kid] = None
        holders = self._holders
        wanted.update([(_KEY + kid, None) for some in (payers, payees) for kid in some if kid not in holders])
        strange = self._name_counters(payers, payees, wanted)
        self._read(wanted)
        if strange:
            # Their keys' rows are read now, and say what to read next.
            more: dict[bytes, None] = {}
            strange = self._name_counters(
                {kid: None for kid in payers if kid in strange},
                {kid: None for kid in payees if kid in strange},
                more,
            )
            self._read(more)
        if strange:
            general += [item for item, plain in plains if self._is_strange(plain, strange)]
        if general:
            self._prefetch_general([self._signed(item) for item in general])

    @staticmethod
    def _is_strange(plain: Plain, strange: set[bytes]) -> bool:
        return any(kid in strange for kid in plain.signers) or any(
            kid in strange for _, kid, _, _ in plain.creates
        )

    def _name_counters(
        self, payers: Iterable[bytes], payees: Iterable[bytes], wanted: dict[bytes, None]
    ) -> set[bytes]:
        """Name the rows about these holders; the keys of which nothing is known, or that are no wallets'."""
        holders, moment = self._holders, self._moment
        strange: set[bytes] = set()
        for kid in payers:
            holder = holders.get(kid) or self._learn(kid)
            if holder is None or not holder.wallet:
                strange.add(kid)
                continue
            wanted[holder.holding] = wanted[holder.freeze] = wanted[moment.day_of(holder.pseudonym)] = None
            if moment.periods:
                wanted.update(dict.fromkeys(moment.periods_of(holder.pseudonym)))
        for kid in payees:
            holder = holders.get(kid) or self._learn(kid)
            if holder is None or not holder.wallet:
                strange.add(kid)
                continue
            wanted[holder.holding] = None
        return strange

    def _learn(self, kid: bytes) -> Holder | None:
        """What the rows say of a key; None when they say nothing that can be read."""
        row = self._rows.get(_KEY + kid)
        holder = holder_in(row) if row else None
        if holder is not None:
            self._holders[kid] = holder
        return holder

    def _read(self, keys: Iterable[bytes]) -> None:
        """Read the rows that were not read yet."""
        rows = self._rows
        missing = [key for key in keys if key not in rows]
        if missing:
            rows.update(dict.fromkeys(missing))
            rows.update(self._store.get_many(missing))

    def _load(self, keys: Iterable[StateKey]) -> None:
        """Put the typed values of rows into the general judge's view."""
        packed = {key: key.pack() for key in keys}
        self._read(packed.values())
        for key, name in packed.items():
            self._view[key] = decoded(key, self._rows[name])

    def _prefetch_general(self, transactions: list[SignedTransaction]) -> None:
        # For all of them at once. A token names keys and marks, and these name more; counters name nothing.
        waiting = transactions
        while waiting:
            missing: set[StateKey] = set()
            asking = []
            for item in waiting:
                named = needs(self._genesis, self._view, item, self.now)
                missing |= named
                if any(key.kind <= MARK for key in named):
                    asking.append(item)
                else:
                    self._complete.add(item.id)
            self._load(missing)
            waiting = asking

    # --- deciding ---

    def add(self, item: Item) -> None:
        """Decide one transaction and keep its effects; a refusal is raised and keeps nothing."""
        data, opened = item
        plain = opened if type(opened) is Plain else self._plains.get(data)
        effects = None if plain is None else decide_plain(self._moment, self._rows, self._holders, plain)
        if plain is None or effects is None or not (plain is opened or self._stands(opened)):
            transaction = self._signed(item)
            # Others of the same id may be complete in the view: an id does not cover who signed.
            self._complete.discard(transaction.id)
            self._decide(transaction)
            self._append(transaction.id, data)
            return
        self._rows.update(effects)
        self.changes.update(effects)
        if self._view:
            self._unseen.append(effects)
        owners, payloads = self.owners, self._payloads
        for key, kid, _, _ in plain.creates:
            owners[key] = kid
        self.places[plain.id] = self._size + len(payloads)
        payloads.append(data)

    def _stands(self, transaction: Opened) -> bool:
        """Whether every signature of a plain transfer stands, by keys that the group knows."""
        assert isinstance(transaction, SignedTransaction)
        message = transaction.message
        for kid, signature in transaction.witnesses:
            holder = self._holders[kid]
            try:
                PublicKey(holder.algorithm, holder.public_key).verify(signature, message)
            except Refused:
                return False
        return True

    def _signed(self, item: Item) -> SignedTransaction:
        data, opened = item
        if isinstance(opened, SignedTransaction):
            return opened
        return open_transaction(data, self._genesis.network)

    def _decide(self, transaction: SignedTransaction) -> None:
        # What it needs because of those before it is read now.
        for unseen in self._unseen:
            for row in unseen:
                self._view.pop(StateKey(row[0], row[1:]), None)
            self._complete.clear()
        self._unseen.clear()
        while self._may_need(transaction) and (
            missing := needs(self._genesis, self._view, transaction, self.now)
        ):
            self._complete.discard(transaction.id)
            self._load(missing)
        effects = decide(self._genesis, self._view, transaction, self.now)
        self._view.update(effects)
        for key, value in effects.items():
            packed = key.pack()
            self._rows[packed] = self.changes[packed] = (
                None if value is None else encode_value(key.kind, value)
            )
            if key.kind == KEY:
                self._holders.pop(key.id, None)
                self._learn(key.id)
            if key.kind <= MARK and value is not None:
                self._born.add(key)
                self._names_born |= key.kind != TOKEN
        for place, token in enumerate(transaction.record.creates):
            self.owners[token_key(TokenId(transaction.id, place)).pack()] = token.lock.holder

    def _may_need(self, transaction: SignedTransaction) -> bool:
        """Whether the view may lack something: it was not read whole, or names something made in this group."""
        if transaction.id not in self._complete:
            return True
        if not self._born:
            return False
        return self._names_born or any(
            token_key(identity) in self._born for identity in transaction.record.spends
        )

    def entries(self) -> tuple[EntryRow, ...]:
        """What the group adds to the journal, in order."""
        write = entry_writer(self.now)
        rows = []
        for (identity, index), payload in zip(self.places.items(), self._payloads, strict=True):
            data = write(index, payload)
            rows.append(EntryRow(index, identity, data, leaf_hash(data)))
        return tuple(rows)

    def _append(self, identity: bytes, payload: bytes) -> None:
        self.places[identity] = self._size + len(self._payloads)
        self._payloads.append(payload)

    def check_conservation(self) -> None:
        """Assert that the supply table adds up after all of it (guard G11), whoever decided what."""
        issued, redeemed, *lines = (self._rows[key] for key in _SUPPLY)
        held = sum(_number(line) for line in lines)
        assert _number(issued) - _number(redeemed) == held, (
            "issued - redeemed must equal what the holders hold"
        )


def _number(value: bytes | None) -> int:
    number = decoded(SUPPLY_KEYS[0], value)
    assert number is None or isinstance(number, int)
    return number or 0
