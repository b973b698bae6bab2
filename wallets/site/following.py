"""The journal as pages look at it: an index that follows the journal and answers where everything is.

    lines       one short row for each entry: what it is, who paid, what was spent and made, which marks
    tokens      every token there ever was: the entry that made it, the entry that spent it
    keys        every key: its bank, tier, category and pseudonym, the key that replaced it
    entries_of  the entries that speak of a key, a pseudonym, a mark or a device
    marks       the definitions of marks that came with a payment; acts of enforcement with their legal reference

It is read from the journal alone, entry by entry as they come, and kept in memory: some hundred bytes an entry, more
for one with many tokens. It judges nothing and signs nothing: who wants to be sure runs the audit. There are no names
of people in the journal, so there are none here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from cbdc.keys import key_id
from cbdc.ledger.entry import open_entry
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.state import RegisteredKey
from cbdc.ledger.store import Store
from cbdc.marks import MarkDefinition, open_definition
from cbdc.record import Signed
from cbdc.system import System
from cbdc.token import Token, TokenId, holder_class
from cbdc.transaction import (
    Attest,
    Freeze,
    HandOver,
    Issue,
    LoadOffline,
    Recover,
    Redeem,
    RegisterKey,
    RotateKey,
    Seize,
    SettleOffline,
    SignedTransaction,
    Transfer,
    Unfreeze,
    open_transaction,
)

ENFORCED = ("Freeze", "Unfreeze", "Seize", "Recover", "HandOver")


class Life(NamedTuple):
    """A token's life: what it is, the entry that made it, and the entry that spent it (0 while it is unspent)."""

    token: Token
    made: int
    spent: int = 0


@dataclass(slots=True)
class KeyLife:
    """A key as the journal tells it: where it came from and what replaced it (empty while it is current)."""

    kid: bytes
    entry: int
    bank_id: int
    tier: int
    category: int
    pseudonym: bytes
    algorithm: int
    public_key: bytes
    successor: bytes = b""

    @property
    def line(self) -> str:
        """Its line of the supply table."""
        return holder_class(self.category)

    @property
    def registered(self) -> RegisteredKey:
        """The same as the ledger's state has it."""
        return RegisteredKey(
            self.algorithm,
            self.public_key,
            self.bank_id,
            self.tier,
            self.category,
            self.pseudonym,
            self.successor,
        )


class Act(NamedTuple):
    """What an authority did: the entry, the kind of transaction, whom it is about (pseudonym), how much, on what."""

    entry: int
    time: int
    kind: str
    subject: bytes
    amount_tiyn: int
    reference: str


@dataclass(frozen=True, slots=True)
class Line:
    """One entry. `amount_tiyn` is what came to others than the payer (an issue: what was made; a redemption: what was
    destroyed); `payer` and `payees` are key ids, empty where there are none."""

    index: int
    time: int
    id: bytes
    kind: str
    payer: bytes
    payees: tuple[bytes, ...]
    amount_tiyn: int
    spent: tuple[TokenId, ...]
    made: tuple[TokenId, ...]
    marks: tuple[bytes, ...]


@dataclass
class Following:
    """The index of one system's journal. `read` takes in what is new."""

    ledger: Ledger
    store: Store
    lines: list[Line] = field(default_factory=list)
    tokens: dict[TokenId, Life] = field(default_factory=dict)
    keys: dict[bytes, KeyLife] = field(default_factory=dict)
    entries_of: dict[bytes, list[int]] = field(default_factory=dict)
    places: dict[bytes, int] = field(default_factory=dict)
    marks: dict[bytes, Signed[MarkDefinition]] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    frozen: dict[bytes, Act] = field(default_factory=dict)

    def read(self) -> "Following":
        """Take in the entries that were added since the last time; itself."""
        for row in self.store.entries(len(self.lines)):
            entry = open_entry(row.data)
            self.places[row.transaction_id] = entry.index
            if entry.index == 0:
                self.lines.append(Line(0, entry.time, row.transaction_id, "Genesis", b"", (), 0, (), (), ()))
            else:
                self._take(entry.index, entry.time, open_transaction(entry.payload, self.ledger.network))
        return self

    def key(self, kid: bytes) -> KeyLife | None:
        """What the journal says of a key."""
        return self.keys.get(kid)

    def keys_of(self, pseudonym: bytes) -> list[KeyLife]:
        """Every key of a holder, oldest first."""
        return [key for key in self.keys.values() if key.pseudonym == pseudonym]

    def current_key(self, pseudonym: bytes) -> KeyLife | None:
        """The key of a holder that nothing has replaced."""
        return next((key for key in reversed(self.keys_of(pseudonym)) if not key.successor), None)

    def unspent(self) -> Iterator[tuple[TokenId, Life]]:
        """Every unspent token."""
        return ((identity, life) for identity, life in self.tokens.items() if not life.spent)

    def held_tiyn(self, kid: bytes, mark: bytes | None = None) -> int:
        """What a key holds: of a mark (free money: empty), or all of it (None)."""
        return sum(
            token.amount_tiyn for _, token in self.ledger.owned(kid) if mark is None or token.mark == mark
        )

    # --- taking in ---

    def _take(self, index: int, time: int, transaction: SignedTransaction) -> None:
        record = transaction.record
        made = tuple(TokenId(transaction.id, place) for place in range(len(record.creates)))
        spent_lives = [self._spend(identity, index) for identity in record.spends]
        for identity, token in zip(made, record.creates, strict=True):
            self.tokens[identity] = Life(token, index)
        payer = spent_lives[0].token.lock.holder if spent_lives else b""
        own = self._pseudonym(payer)
        others = [token for token in record.creates if not payer or self._pseudonym(token.lock.holder) != own]
        amount = sum(token.amount_tiyn for token in others)
        if isinstance(record, Redeem):
            amount = sum(life.token.amount_tiyn for life in spent_lives)
            amount -= sum(token.amount_tiyn for token in record.creates)
        seen = [life.token for life in spent_lives] + list(record.creates)
        line = Line(
            index,
            time,
            transaction.id,
            type(record).__name__,
            payer,
            tuple(dict.fromkeys(token.lock.holder for token in others)),
            amount,
            tuple(record.spends),
            made,
            tuple(dict.fromkeys(token.mark for token in seen if token.mark)),
        )
        self.lines.append(line)
        self._know(index, time, record)
        self._note(line, transaction, seen)

    def _spend(self, identity: TokenId, index: int) -> Life:
        life = self.tokens[identity]._replace(spent=index)
        self.tokens[identity] = life
        return life

    def _pseudonym(self, kid: bytes) -> bytes:
        key = self.keys.get(kid)
        return key.pseudonym if key is not None else kid

    def _know(self, index: int, time: int, record: Any) -> None:
        match record:
            case RegisterKey():
                kid = key_id(record.algorithm, record.public_key)
                self.keys[kid] = KeyLife(
                    kid,
                    index,
                    record.bank_id,
                    record.tier,
                    record.category,
                    record.pseudonym,
                    record.algorithm,
                    record.public_key,
                )
            case RotateKey():
                kid = key_id(record.algorithm, record.public_key)
                old = self.keys[record.old]
                old.successor = kid
                self.keys[kid] = KeyLife(
                    kid,
                    index,
                    old.bank_id,
                    old.tier,
                    old.category,
                    old.pseudonym,
                    record.algorithm,
                    record.public_key,
                )
            case Transfer() if record.definition:
                signed = open_definition(record.definition, self.ledger.network)
                self.marks[signed.oid] = signed
            case HandOver():
                for kid in record.keys:
                    self.keys[kid].bank_id = record.to_bank
                self._act(index, time, record, record.pseudonym, 0)
            case Freeze():
                self.frozen[record.holder] = self._act(index, time, record, record.holder, 0)
            case Unfreeze():
                self.frozen.pop(record.holder, None)
                self._act(index, time, record, record.holder, 0)
            case Seize() | Recover():
                line = self.lines[-1]
                kid = record.old if isinstance(record, Recover) else line.payer
                if isinstance(record, Recover):
                    self.keys[record.old].successor = record.new
                self._act(index, time, record, self._pseudonym(kid), line.amount_tiyn)

    def _act(self, index: int, time: int, record: Any, subject: bytes, amount_tiyn: int) -> Act:
        act = Act(index, time, type(record).__name__, subject, amount_tiyn, record.legal_reference)
        self.acts.append(act)
        return act

    def _note(self, line: Line, transaction: SignedTransaction, tokens: list[Token]) -> None:
        """Write down whom and what the entry speaks of."""
        record: Any = transaction.record
        named = {kid for kid, _ in transaction.witnesses} | set(line.marks)
        for token in tokens:
            named.update(token.lock.kids)
        match record:
            case RegisterKey() | RotateKey():
                named.add(key_id(record.algorithm, record.public_key))
                if isinstance(record, RotateKey):
                    named.add(record.old)
            case Freeze() | Unfreeze():
                named.add(record.holder)
            case LoadOffline():
                named.add(record.device)
            case Issue() | Redeem():
                named.add(record.request)
            case SettleOffline():
                named.add(record.fact)
            case Attest():
                named.add(record.subject)
            case HandOver():
                named.update((record.pseudonym, *record.keys))
            case Recover():
                named.add(record.old)
            case Transfer() if record.definition:
                named.add(open_definition(record.definition, self.ledger.network).oid)
        named |= {key.pseudonym for kid in list(named) if (key := self.keys.get(kid)) is not None}
        for name in sorted(named):
            self.entries_of.setdefault(name, []).append(line.index)


_FOLLOWED: "WeakKeyDictionary[System, Following]" = WeakKeyDictionary()


def following(system: System) -> Following:
    """The index of a system's journal, up to date. Whoever asks holds the world's lock."""
    found = _FOLLOWED.get(system)
    if found is None:
        found = _FOLLOWED[system] = Following(system.ledger, system.stores.ledger)
    return found.read()
