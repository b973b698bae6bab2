"""The escrow as the ledger's journal tells it: loads, the tokens behind each note, and the facts already booked.

Nothing here is kept: the book is a fold of the journal and is followed from where it was left. A load's escrow output
number `i` in entry `n` backs the note whose serial ends in `n || i`. A settlement's change stays with the note whose
tokens it spent, and what a LOSS brings belongs to the note of that fact: so the tokens behind a note are the load's
own, and those of the note's booked losses, less what was spent.

`EscrowBook.transaction` makes the settlement of one fact: always the same nonce for the same fact, inputs in a fixed
order, so a repetition after a crash finds the fact booked or books it, and the ledger takes it once.

Source: DTO/1, sections 5.9 (ledger) and 5.19 (2, 8).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cbdc.errors import Refused, TengeError
from cbdc.keys import Signer
from cbdc.ledger.entry import Entry, LogHead, Receipt
from cbdc.ledger.ledger import Inclusion
from cbdc.ledger.state import KEY, MARK, RegisteredKey, StateKey, StateValue
from cbdc.marks import MarkDefinition
from cbdc.record import Signed, open_envelope
from cbdc.token import HashLock, KeyLock, Token, TokenId
from cbdc.transaction import (
    MAX_INPUTS,
    SETTLE_LOSS,
    SETTLE_RECOVER,
    SETTLE_REDEEM,
    LoadOffline,
    SettleOffline,
    SignedTransaction,
    open_transaction,
    sign_transaction,
)
from offline.settle import Posting, Settled

NONCE_BYTES = 16
_TYPE_PLACE = 1


class SettlementLedger(Protocol):
    """What settlement asks of the ledger; `cbdc.ledger.ledger.Ledger` fits it as it is."""

    @property
    def network(self) -> bytes:
        """The network id, 8 bytes."""
        ...

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The journal entries from `start` on, in order."""
        ...

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        """For each transaction its receipt or its refusal."""
        ...

    def owned(self, kid: bytes) -> list[tuple[TokenId, Token]]:
        """The unspent tokens a key id holds."""
        ...

    def load(self, keys: Iterable[StateKey]) -> dict[StateKey, StateValue | None]:
        """The values of state keys, None where there is none."""
        ...

    def find(self, transaction_id: bytes) -> Receipt | None:
        """The receipt of an accepted transaction, or None."""
        ...

    def transaction(self, index: int) -> SignedTransaction:
        """The transaction in the journal entry `index`."""
        ...

    def head(self) -> Signed[LogHead]:
        """The newest signed head."""
        ...

    def entry(self, index: int) -> Entry:
        """The journal entry at `index`."""
        ...

    def inclusion_of(self, index: int) -> Inclusion:
        """The proof that an entry is in the log of the newest head."""
        ...


@dataclass(frozen=True, slots=True)
class Load:
    """One load as the journal has it: for which device, and one token in escrow for each of its notes.

    `loader` is the key id of the wallet that held the money (not of whoever else signed).
    """

    index: int
    time: int
    device: bytes
    load_number: int
    loader: bytes
    tokens: tuple[Token, ...]


def backing_of(serial: bytes) -> bytes:
    """The part of a note's serial that names its load and output (12 bytes): where its escrow is kept."""
    return serial[4:]


def serial_of(epoch: int, index: int, place: int) -> bytes:
    """The serial of the note behind escrow output `place` of the load in journal entry `index`."""
    return epoch.to_bytes(4, "big") + index.to_bytes(8, "big") + place.to_bytes(4, "big")


class EscrowBook:
    """The fold of the journal that settlement works with. `refresh` follows the journal; the rest reads or builds."""

    def __init__(self, ledger: SettlementLedger, escrow: bytes, reserve: bytes) -> None:
        """`escrow` and `reserve` are the key ids that hold the escrow and the loss reserve."""
        self._ledger = ledger
        self._escrow = KeyLock(escrow)
        self._reserve = KeyLock(reserve)
        self._next = 0
        self._group_of: dict[TokenId, bytes] = {}
        self._groups: dict[bytes, dict[TokenId, Token]] = {}
        self._touched: dict[bytes, set[bytes]] = {}
        self._marks: dict[bytes, bytes] = {}
        self._settled: dict[bytes, Settled] = {}
        self._loads: dict[bytes, list[Load]] = {}
        self._fresh: deque[Load] = deque()

    @property
    def settled(self) -> Mapping[bytes, Settled]:
        """Every booked fact."""
        return self._settled

    @property
    def escrow_tiyn(self) -> int:
        """What the escrow holds for all notes together."""
        return sum(token.amount_tiyn for group in self._groups.values() for token in group.values())

    @property
    def reserve_tiyn(self) -> int:
        """What the loss reserve holds."""
        return sum(token.amount_tiyn for _, token in self._ledger.owned(self._reserve.kid))

    def refresh(self) -> None:
        """Follow the journal to its end; the loads that are new wait in `new_loads`."""
        for entry in self._ledger.entries(self._next):
            kind = entry.payload[_TYPE_PLACE]
            if kind == LoadOffline.TYPE:
                self._load(entry)
            elif kind == SettleOffline.TYPE:
                self._settle(entry)
            # Only now: an entry that could not be read whole is read again.
            self._next = entry.index + 1

    def new_loads(self) -> list[Load]:
        """The loads that were found and not yet marked as `registered`, oldest first."""
        return list(self._fresh)

    def registered(self, load: Load) -> None:
        """The oldest of the new loads has its notes: it is new no more."""
        assert self._fresh[0] == load, "loads are registered in their order"
        self._fresh.popleft()

    def _load(self, entry: Entry) -> None:
        opened = open_transaction(entry.payload, self._ledger.network)
        record = opened.record
        assert isinstance(record, LoadOffline)
        loader = self._holder(opened)
        tokens: list[Token] = []
        for place, token in enumerate(record.outputs):
            if token.lock != self._escrow:
                break
            backing = backing_of(serial_of(0, entry.index, place))
            self._add(TokenId(opened.id, place), token, backing)
            self._marks[backing] = token.mark
            tokens.append(token)
        load = Load(entry.index, entry.time, record.device, record.load_number, loader, tuple(tokens))
        self._loads.setdefault(load.device, []).append(load)
        self._fresh.append(load)

    def _holder(self, opened: SignedTransaction) -> bytes:
        """The key that held what a load spent (G7: all inputs are one holder's), whoever signed beside it."""
        spent = opened.record.spends[0]
        receipt = self._ledger.find(spent.transaction_id)
        assert receipt is not None, "a token that was spent was made by a transaction in the journal"
        lock = self._ledger.transaction(receipt.index).record.creates[spent.output].lock
        if isinstance(lock, HashLock) and lock.claim in {kid for kid, _ in opened.witnesses}:
            return lock.claim
        return lock.holder

    def loads_of(self, device: bytes) -> list[Load]:
        """The loads of a device, in the order of the journal."""
        return list(self._loads.get(device, ()))

    def _settle(self, entry: Entry) -> None:
        opened = open_transaction(entry.payload, self._ledger.network)
        record = opened.record
        assert isinstance(record, SettleOffline)
        group = record.fact
        for identity in reversed(record.inputs):
            if identity in self._group_of:
                group = self._group_of.pop(identity)
                del self._groups[group][identity]
                self._touched.setdefault(group, set()).add(record.fact)
        amount_tiyn = 0
        for place, token in enumerate(record.outputs):
            if token.lock == self._escrow:
                self._add(TokenId(opened.id, place), token, group)
                self._marks.setdefault(group, token.mark)
            if (token.lock == self._escrow) == (record.kind == SETTLE_LOSS):
                amount_tiyn += token.amount_tiyn
        self._settled[record.fact] = Settled(record.kind, amount_tiyn, entry.index, entry.time)

    def _add(self, identity: TokenId, token: Token, group: bytes) -> None:
        self._group_of[identity] = group
        self._groups.setdefault(group, {})[identity] = token

    # --- reading one note ---

    def tokens(self, backing: bytes, losses: Iterable[bytes]) -> list[tuple[TokenId, Token]]:
        """The unspent tokens behind a note: its load's, and those of its losses (fact keys), by id."""
        found = [item for group in (backing, *losses) for item in self._groups.get(group, {}).items()]
        return sorted(found)

    def balance_tiyn(self, backing: bytes, losses: Iterable[bytes]) -> int:
        """What stands in escrow behind a note."""
        return sum(token.amount_tiyn for _, token in self.tokens(backing, losses))

    def touching(self, backing: bytes, losses: Iterable[bytes]) -> set[bytes]:
        """The facts whose booking spent tokens of a note."""
        return set().union(*(self._touched.get(group, set()) for group in (backing, *losses)))

    # --- building settlements ---

    def transaction(
        self, posting: Posting, backing: bytes, losses: Iterable[bytes], signer: Signer
    ) -> SignedTransaction:
        """The settlement of one fact out of a note's escrow; E_ESCROW_SHORT when that holds less than it takes."""
        mark = self._marks.get(backing, b"")
        chosen, total_tiyn = _choose(self.tokens(backing, losses), posting.amount_tiyn)
        if total_tiyn < posting.amount_tiyn:
            raise Refused("E_ESCROW_SHORT", amount_tiyn=posting.amount_tiyn, held_tiyn=total_tiyn)
        if posting.kind == SETTLE_RECOVER:
            output = Token(posting.amount_tiyn, self._reserve)
        else:
            kept = b"" if posting.kind == SETTLE_REDEEM and self._converts(mark, posting.account) else mark
            output = Token(posting.amount_tiyn, KeyLock(posting.account), kept)
        change_tiyn = total_tiyn - posting.amount_tiyn
        change = (Token(change_tiyn, self._escrow, mark),) if change_tiyn else ()
        return self._sign(posting, chosen, (output, *change), signer)

    def loss_transactions(
        self, postings: Sequence[Posting], backings: Mapping[bytes, bytes], signer: Signer
    ) -> list[SignedTransaction]:
        """The settlements of as many of these losses as the reserve can fund, in order; each spends what the last left.

        `backings` maps note ids to backings.
        """
        purse = self._ledger.owned(self._reserve.kid)
        made: list[SignedTransaction] = []
        for posting in postings:
            chosen, total_tiyn = _choose(purse, posting.amount_tiyn)
            if total_tiyn < posting.amount_tiyn:
                continue
            mark = self._marks.get(backings[posting.note], b"")
            outputs = [Token(posting.amount_tiyn, self._escrow, mark)]
            if total_tiyn > posting.amount_tiyn:
                outputs.append(Token(total_tiyn - posting.amount_tiyn, self._reserve))
            made.append(self._sign(posting, chosen, tuple(outputs), signer))
            purse = [item for item in purse if item[0] not in chosen]
            purse += [(TokenId(made[-1].id, 1), token) for token in outputs[1:]]
        return made

    def _converts(self, mark: bytes, account: bytes) -> bool:
        """Whether what this account redeems comes home free: unmarked money, or a mark that its holder may free."""
        if not mark:
            return True
        key, owner = StateKey(MARK, mark), StateKey(KEY, account)
        found = self._ledger.load([key, owner])
        envelope, holder = found[key], found[owner]
        assert isinstance(envelope, bytes), "a marked token was loaded, so its mark is defined"
        definition = open_envelope(envelope, MarkDefinition, self._ledger.network).record
        return isinstance(holder, RegisteredKey) and definition.converts_for(holder.category)

    def _sign(
        self, posting: Posting, inputs: Sequence[TokenId], outputs: tuple[Token, ...], signer: Signer
    ) -> SignedTransaction:
        nonce = posting.fact[:NONCE_BYTES]
        record = SettleOffline(nonce, posting.kind, posting.fact, tuple(inputs), outputs)
        return sign_transaction(record, self._ledger.network, [signer])


def _choose(tokens: Sequence[tuple[TokenId, Token]], amount_tiyn: int) -> tuple[list[TokenId], int]:
    """Tokens that cover an amount, the largest first, and their sum; all of them when they do not cover it."""
    chosen: list[TokenId] = []
    total_tiyn = 0
    for identity, token in sorted(tokens, key=lambda item: (-item[1].amount_tiyn, item[0]))[:MAX_INPUTS]:
        if total_tiyn >= amount_tiyn:
            break
        chosen.append(identity)
        total_tiyn += token.amount_tiyn
    return chosen, total_tiyn
