"""A replay: the journal folded again by the rules, up to a moment that somebody asks about.

State is a fold of the journal, so the state just before any entry can be had again, and with it the question whether
a transaction would be accepted there, and why. It reads; it never writes.
"""

from collections.abc import Callable, Iterable

from cbdc.errors import TengeError
from cbdc.ledger.entry import Entry, Genesis, open_entry, open_genesis
from cbdc.ledger.rules import Effects, decide
from cbdc.ledger.state import StateKey, StateValue
from cbdc.ledger.store import EntryRow
from cbdc.transaction import SignedTransaction, open_transaction


class Replayed(dict[StateKey, StateValue | None]):
    """The replayed state: a key that is not there is None, for every rule."""

    def __missing__(self, key: StateKey) -> None:
        return None

    def apply(self, effects: Effects) -> None:
        """Take the effects of an accepted transaction."""
        for key, value in effects.items():
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value


class Replay:
    """The state after `size` entries of a journal, the last of them at `time`. `genesis` is entry 0."""

    def __init__(self, genesis: EntryRow) -> None:
        first = open_entry(genesis.data)
        self.genesis: Genesis = open_genesis(first.payload)
        self.state = Replayed()
        self.size = 1
        self.time = first.time

    def open(self, entry: Entry) -> SignedTransaction:
        """The transaction in an entry."""
        return open_transaction(entry.payload, self.genesis.network)

    def apply(self, row: EntryRow) -> None:
        """Fold the next entry; the refusal of the rules when no rule allows it (the audit says which)."""
        entry = open_entry(row.data)
        self.state.apply(decide(self.genesis, self.state, self.open(entry), entry.time))
        self.size, self.time = self.size + 1, entry.time

    def answer(self, transaction: SignedTransaction, now: int) -> TengeError | None:
        """What a transaction would be answered here and now: None if it is accepted. Nothing changes."""
        try:
            decide(self.genesis, self.state, transaction, now)
        except TengeError as error:
            return error
        return None

    def until(self, rows: Iterable[EntryRow], stop: Callable[["Replay"], bool]) -> bool:
        """Fold entries as long as `stop` says no of the state before the next; whether it ever said yes."""
        for row in rows:
            if stop(self):
                return True
            self.apply(row)
        return stop(self)
