"""A person's online money: tokens of one's own, and payments that survive any interruption.

    prepare      choose tokens, build and sign the transaction, save the intent with its tokens held
    send         hand the saved bytes to the ledger and close the intent with the answer

Both take many payments at once, of many wallets, so that a whole canteen's lunch is two commits of the store and one
of the ledger. A wallet that dies between the two finds its open intents with `resume` and sends the same bytes; the
ledger answers the same id the same way, so money is neither lost nor paid twice.

The id of an intent is the caller's; the transaction's nonce follows from it. The same intent id therefore always
gives the same transaction.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cbdc import canonical, selection
from cbdc.errors import TengeError, Unavailable, by_code
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.ports import Clock, Entropy
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import (
    LoadOffline,
    ReleaseMark,
    SignedTransaction,
    Transaction,
    Transfer,
    open_transaction,
    sign_transaction,
)
from wallets.basis import NO_BASIS, Basis
from wallets.store import Direction, Done, HistoryRow, Intent, Refusal, WalletStore, WalletToken

MAX_TOKENS_A_PAYMENT = 250
GROUP = 4_000

Directory = Mapping[bytes, str]


@dataclass(frozen=True, slots=True)
class Payee:
    """Where money goes: a key id and an amount in tiyn; `mark` where it arrives under another mark than it was paid."""

    kid: bytes
    amount_tiyn: int
    mark: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What was read from a store for a whole batch at once: intents that are there, and unspent tokens by wallet."""

    intents: Mapping[tuple[str, bytes], Intent]
    tokens: Mapping[str, Sequence[WalletToken]]

    @classmethod
    def of(cls, store: WalletStore, keys: Sequence[tuple[str, bytes]]) -> "Sight":
        """What the store has for intents under these keys (wallet, id)."""
        return cls(store.intents(keys), store.unspent([wallet for wallet, _ in keys]))


class Wallet:
    """One holder's online wallet: a key, a name in a shared store, and the ledger behind a gateway."""

    def __init__(
        self, name: str, signer: Signer, store: WalletStore, gateway: Gateway, entropy: Entropy, clock: Clock
    ) -> None:
        self.name = name
        self.signer = signer
        self.kid = signer.public.kid
        self._store = store
        self._gateway = gateway
        self._entropy = entropy
        self._clock = clock

    def balance_tiyn(self, mark: bytes = b"") -> int:
        """What it can spend of one mark (free money by default); what open intents hold is not counted."""
        balance = self._store.balance(self.name).get(mark)
        return balance.unspent_tiyn if balance else 0

    def total_tiyn(self) -> int:
        """All it holds, marked or free, held by open intents or not."""
        return sum(row.unspent_tiyn + row.pending_tiyn for row in self._store.balance(self.name).values())

    def tokens(self, mark: bytes | None = None) -> list[WalletToken]:
        """Its unspent tokens, of one mark or of all, by id."""
        return [token for token in self._store.tokens(self.name) if mark is None or token.mark == mark]

    def prepare_payment(
        self,
        intent_id: bytes,
        payees: Sequence[Payee],
        mark: bytes = b"",
        output_mark: bytes | None = None,
        definition: bytes = b"",
        taken: set[TokenId] | None = None,
        basis: Basis = NO_BASIS,
        co_signers: Sequence[Signer] = (),
        sight: Sight | None = None,
    ) -> Intent:
        """An intent (not saved yet) that pays `payees` in money of `mark`, change to itself.

        `output_mark` puts another mark on what the payees get (only a mark's issuer may); `taken` are tokens that other
        intents of the same batch chose, and is added to; `basis` is what marks may ask for, and `co_signers` the payees
        who vouch for its lines; `sight` is what was read for the batch. Raises E_FUNDS or E_FUNDS_SCATTERED.
        """

        def build(inputs: tuple[TokenId, ...], change_tiyn: int) -> Transaction:
            paid = mark if output_mark is None else output_mark
            outputs = [
                Token(payee.amount_tiyn, KeyLock(payee.kid), paid if payee.mark is None else payee.mark)
                for payee in payees
            ]
            return Transfer(
                self._nonce(intent_id),
                inputs,
                self._with_change(outputs, change_tiyn, mark),
                definition,
                lines=basis.lines,
                documents=basis.documents,
            )

        amount = sum(payee.amount_tiyn for payee in payees)
        return self._prepare(intent_id, "pay", amount, mark, build, taken, sight, co_signers)

    def prepare_outputs(
        self,
        intent_id: bytes,
        kind: str,
        outputs: Sequence[Token],
        taken: set[TokenId] | None = None,
        nonce: bytes = b"",
    ) -> Intent:
        """An intent that pays free money into these outputs, whatever locks they have, change to itself.

        `nonce` is somebody else's where a payment must be known by it; E_FUNDS or E_FUNDS_SCATTERED.
        """

        def build(inputs: tuple[TokenId, ...], change_tiyn: int) -> Transaction:
            whole = self._with_change(list(outputs), change_tiyn, b"")
            return Transfer(nonce or self._nonce(intent_id), inputs, whole)

        return self._prepare(intent_id, kind, sum(token.amount_tiyn for token in outputs), b"", build, taken)

    def prepare_opening(
        self,
        intent_id: bytes,
        kind: str,
        build: Callable[[bytes], Transaction],
        others: Sequence[Signer] = (),
    ) -> Intent:
        """An intent that opens a lock: `build(nonce)` spends tokens that are not this wallet's alone.

        `others` are further signers whose keys the lock needs; a signer far away sends its signature instead.
        """
        known = self._store.intent(self.name, intent_id)
        if known is not None:
            return known
        record = build(self._nonce(intent_id))
        signed = sign_transaction(record, self._gateway.network, [self.signer, *others])
        return Intent(self.name, intent_id, kind, signed.encode(), self._clock.now())

    def prepare_load(
        self,
        intent_id: bytes,
        amounts_tiyn: Sequence[int],
        escrow_kid: bytes,
        device_kid: bytes,
        load_number: int,
        mark: bytes = b"",
        sight: Sight | None = None,
    ) -> Intent:
        """An intent that takes money offline: one escrow token (and so one note) for each of `amounts_tiyn`."""

        def build(inputs: tuple[TokenId, ...], change_tiyn: int) -> Transaction:
            outputs = [Token(amount, KeyLock(escrow_kid), mark) for amount in amounts_tiyn]
            return LoadOffline(
                self._nonce(intent_id),
                inputs,
                self._with_change(outputs, change_tiyn, mark),
                device_kid,
                load_number,
            )

        return self._prepare(intent_id, "load", sum(amounts_tiyn), mark, build, None, sight)

    def prepare_release(
        self, intent_id: bytes, tokens: Sequence[WalletToken], statements: Sequence[bytes]
    ) -> Intent:
        """An intent that turns these marked tokens (all of one mark) into one token of free money, on statements."""
        inputs = tuple(token.id for token in tokens)
        total = sum(token.amount_tiyn for token in tokens)
        record = ReleaseMark(
            self._nonce(intent_id), inputs, (Token(total, KeyLock(self.kid)),), tuple(statements)
        )
        return self._intent(intent_id, "release", record)

    def prepare_partial_release(
        self, intent_id: bytes, mark: bytes, amount_tiyn: int, documents: Sequence[bytes]
    ) -> Intent:
        """An intent that frees so much of this mark on documents; the change keeps the mark. E_FUNDS."""

        def build(inputs: tuple[TokenId, ...], change_tiyn: int) -> Transaction:
            freed = [Token(amount_tiyn, KeyLock(self.kid))]
            outputs = self._with_change(freed, change_tiyn, mark)
            return ReleaseMark(self._nonce(intent_id), inputs, outputs, (), tuple(documents))

        return self._prepare(intent_id, "release", amount_tiyn, mark, build, None)

    def prepare_merge(
        self,
        intent_id: bytes,
        tokens: Sequence[WalletToken],
        mark: bytes,
        payee: bytes = b"",
        sight: Sight | None = None,
    ) -> Intent:
        """An intent that makes one token of these (all of one mark), for itself or for `payee`."""
        key = (self.name, intent_id)
        known = (self._store.intents([key]) if sight is None else sight.intents).get(key)
        if known is not None:
            return known
        total = sum(token.amount_tiyn for token in tokens)
        output = Token(total, KeyLock(payee or self.kid), mark)
        record = Transfer(self._nonce(intent_id), tuple(token.id for token in tokens), (output,))
        return self._intent(intent_id, "sell" if payee else "merge", record)

    def _prepare(
        self,
        intent_id: bytes,
        kind: str,
        amount_tiyn: int,
        mark: bytes,
        build: Callable[[tuple[TokenId, ...], int], Transaction],
        taken: set[TokenId] | None,
        sight: Sight | None = None,
        co_signers: Sequence[Signer] = (),
    ) -> Intent:
        if sight is None:
            sight = Sight.of(self._store, [(self.name, intent_id)])
        known, mine = sight.intents.get((self.name, intent_id)), sight.tokens.get(self.name, ())
        if known is not None:
            return known
        free = [
            (row.id, row.amount_tiyn)
            for row in mine
            if row.mark == mark and (taken is None or row.id not in taken)
        ]
        choice = selection.choose(free, amount_tiyn, MAX_TOKENS_A_PAYMENT)
        if taken is not None:
            taken.update(choice.chosen)
        return self._intent(intent_id, kind, build(choice.chosen, choice.change_tiyn), co_signers)

    def _intent(
        self, intent_id: bytes, kind: str, record: Transaction, co_signers: Sequence[Signer] = ()
    ) -> Intent:
        signed = sign_transaction(record, self._gateway.network, [self.signer, *co_signers])
        return Intent(self.name, intent_id, kind, signed.encode(), self._clock.now(), record.spends)

    def _nonce(self, intent_id: bytes) -> bytes:
        return self._entropy.bytes("wallet nonce", self.kid + intent_id, 16)

    def _with_change(self, outputs: list[Token], change_tiyn: int, mark: bytes) -> tuple[Token, ...]:
        return (*outputs, Token(change_tiyn, KeyLock(self.kid), mark)) if change_tiyn else tuple(outputs)


def amount_of(intent: Intent, network: bytes) -> int:
    """What an intent's transaction creates in all, in tiyn."""
    return sum(token.amount_tiyn for token in open_transaction(intent.body, network).record.creates)


def send(
    store: WalletStore, gateway: Gateway, intents: Sequence[Intent], directory: Directory, clock: Clock
) -> list[Receipt | TengeError]:
    """Save the intents, submit them as one group, and close each with its answer, in the order given.

    `directory` maps key ids to the wallets of this store, so that payees of the same store have their tokens at once;
    other payees find theirs at the ledger. Raises E_STORE_UNAVAILABLE with all intents still open: `resume` later.
    """
    return send_saved(store, gateway, save(store, intents), directory, clock)


def save(store: WalletStore, intents: Sequence[Intent]) -> list[Intent]:
    """Save the intents in one commit; each as the store has it: one that was there before may be closed already."""
    known = store.intents([(intent.wallet, intent.id) for intent in intents])
    closed = {key: intent for key, intent in known.items() if intent.state != "saved"}
    open_ones = [intent for intent in intents if (intent.wallet, intent.id) not in closed]
    saved = iter(store.save_intents(open_ones) if open_ones else ())
    return [closed.get((intent.wallet, intent.id)) or next(saved) for intent in intents]


def send_saved(
    store: WalletStore, gateway: Gateway, saved: Sequence[Intent], directory: Directory, clock: Clock
) -> list[Receipt | TengeError]:
    """Submit what `save` gave and is still open, `GROUP` intents at a time, and close each with its answer."""
    answers: list[Receipt | TengeError] = []
    for start in range(0, len(saved), GROUP):
        part = saved[start : start + GROUP]
        waiting = [intent for intent in part if intent.state == "saved"]
        new = gateway.submit_many([intent.body for intent in waiting]) if waiting else []
        close(store, gateway.network, waiting, new, directory, clock)
        given = iter(new)
        answers += [next(given) if intent.state == "saved" else answer_of(intent, gateway) for intent in part]
    return answers


def answer_of(intent: Intent, gateway: Gateway) -> Receipt | TengeError:
    """What a closed intent was answered with: its receipt, or its refusal."""
    if intent.state == "refused":
        return open_refusal(intent.result)
    receipt = gateway.find(intent.result)
    assert receipt is not None, "a transaction that was accepted stays in the journal"
    return receipt


def refusal_result(error: TengeError) -> bytes:
    """A refusal as an intent keeps it: the code and the facts, so that it reads the same whenever it is told again."""
    return json.dumps([error.code, error.facts], sort_keys=True, ensure_ascii=False, default=str).encode()


def open_refusal(result: bytes) -> TengeError:
    """The refusal that `refusal_result` kept."""
    code, facts = json.loads(result)
    return by_code(code, facts)


def send_one(
    store: WalletStore, gateway: Gateway, intent: Intent, directory: Directory, clock: Clock
) -> Receipt:
    """Like `send`, for one intent; its refusal is raised."""
    answer = send(store, gateway, [intent], directory, clock)[0]
    if isinstance(answer, TengeError):
        raise answer
    return answer


def resume(store: WalletStore, gateway: Gateway, directory: Directory, clock: Clock) -> int:
    """Send every open intent of the store again and close it; the number of intents closed."""
    pending = store.open_intents()
    if pending:
        send(store, gateway, pending, directory, clock)
    return len(pending)


def close(
    store: WalletStore,
    network: bytes,
    intents: Sequence[Intent],
    answers: Sequence[Receipt | TengeError],
    directory: Directory,
    clock: Clock,
) -> None:
    """Close intents with the ledger's answers: tokens to payees of this store, history for both sides.

    An answer that is no verdict (the ledger could not be reached) leaves its intent open.
    """
    done, refused = [], []
    for intent, answer in zip(intents, answers, strict=True):
        if isinstance(answer, Unavailable):
            continue
        if isinstance(answer, TengeError):
            refused.append(Refusal(intent.wallet, intent.id, refusal_result(answer)))
        elif intent.state == "saved":
            done.append(_done(intent, answer, open_transaction(intent.body, network), directory))
    if done:
        store.finish(done)
    if refused:
        store.refuse([row for row, intent in _still_open(store, refused)])


def _still_open(store: WalletStore, refused: Sequence[Refusal]) -> list[tuple[Refusal, Intent]]:
    found = []
    for row in refused:
        intent = store.intent(row.wallet, row.id)
        if intent is not None and intent.state == "saved":
            found.append((row, intent))
    return found


def _done(intent: Intent, receipt: Receipt, transaction: SignedTransaction, directory: Directory) -> Done:
    added, history = [], []
    owners = [_owner(token, directory) for token in transaction.record.creates]
    paid = 0
    for place, (token, payee) in enumerate(zip(transaction.record.creates, owners, strict=True)):
        if payee != intent.wallet:
            paid += token.amount_tiyn
        if payee is None:
            continue
        identity = TokenId(transaction.id, place)
        added.append(WalletToken(payee, identity, token.amount_tiyn, _lock_bytes(token), token.mark))
        if payee != intent.wallet:
            history.append(_line(payee, transaction.id, place, receipt, intent, "in", token.amount_tiyn))
    direction: Direction = "out" if paid else "own"
    other = (owners[0] or "") if owners else ""
    history.append(_line(intent.wallet, transaction.id, 255, receipt, intent, direction, paid, other))
    return Done(intent.wallet, intent.id, transaction.id, tuple(added), tuple(history))


def _line(
    wallet: str,
    transaction_id: bytes,
    place: int,
    receipt: Receipt,
    intent: Intent,
    direction: Direction,
    amount_tiyn: int,
    other: str = "",
) -> HistoryRow:
    # One line a wallet and output: the id is the transaction's with its last byte's place mixed in.
    identity = transaction_id[:31] + bytes([transaction_id[31] ^ place])
    name = other if direction == "out" else intent.wallet
    return HistoryRow(wallet, identity, receipt.time, intent.kind, direction, amount_tiyn, name)


def _lock_bytes(token: Token) -> bytes:
    return canonical.encode(token.lock.wire())


def _owner(token: Token, directory: Directory) -> str | None:
    """The wallet that can spend a token alone: a quorum or a hash lock that only names its key is not its money."""
    return directory.get(token.lock.kid) if isinstance(token.lock, KeyLock) else None


@runtime_checkable
class ManyOwners(Protocol):
    """A gateway that can be asked about many keys at once; the ledger itself can."""

    def owned_by_each(self, kids: Sequence[bytes]) -> dict[bytes, list[tuple[TokenId, Token]]]:
        """The unspent tokens of each of these key ids, in ascending order of their ids."""
        ...


def _spendable(gateway: Gateway, kid: bytes) -> list[tuple[TokenId, Token]]:
    """The tokens that a key can spend alone; the ledger also names it as holder of locks that need others."""
    return [(identity, token) for identity, token in gateway.owned(kid) if token.lock == KeyLock(kid)]


def _spendable_each(
    gateway: Gateway, wallets: Sequence[Wallet]
) -> Iterator[tuple[Wallet, list[tuple[TokenId, Token]]]]:
    if not isinstance(gateway, ManyOwners):
        yield from ((wallet, _spendable(gateway, wallet.kid)) for wallet in wallets)
        return
    owned = gateway.owned_by_each([wallet.kid for wallet in wallets])
    for wallet in wallets:
        lock = KeyLock(wallet.kid)
        yield wallet, [(identity, token) for identity, token in owned[wallet.kid] if token.lock == lock]


def find_tokens_of(store: WalletStore, gateway: Gateway, wallets: Sequence[Wallet]) -> int:
    """Ask the ledger which tokens the wallets' keys can spend alone and take in those not known yet; how many were new.

    This is how a restored wallet, or one paid by a stranger, learns what it has.
    """
    rows: list[WalletToken] = []
    for start in range(0, len(wallets), GROUP):
        found = [
            WalletToken(wallet.name, identity, token.amount_tiyn, _lock_bytes(token), token.mark)
            for wallet, owned in _spendable_each(gateway, wallets[start : start + GROUP])
            for identity, token in owned
        ]
        known = store.known_tokens([(row.wallet, row.id) for row in found])
        rows += [row for row in found if (row.wallet, row.id) not in known]
    if rows:
        store.record(added=rows)
    return len(rows)


def refresh(store: WalletStore, gateway: Gateway, wallet: Wallet) -> None:
    """Make the wallet's list what the ledger says: new tokens in, tokens that were taken away (a court's order) out."""
    there = {identity for identity, _ in _spendable(gateway, wallet.kid)}
    gone = [(wallet.name, token.id) for token in store.tokens(wallet.name) if token.id not in there]
    if gone:
        store.record(dropped=gone)
    find_tokens_of(store, gateway, [wallet])
