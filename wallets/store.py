"""What a wallet must not forget: its tokens, its intents and its history, for many wallets in one place.

A payment is an **intent** first. Its body (the signed transaction) is saved together with the choice of its tokens,
in one commit, before anything is sent; so a wallet that dies finds every open intent again and sends the same bytes,
and the ledger answers the same id the same way. When the answer is there, one more commit closes the intent: spends
its tokens, adds the new ones, writes the history.

    token    unspent -> pending (chosen by an intent) -> spent        pending -> unspent when the intent is refused
    intent   saved -> done | refused                                  a closed intent stays as it is

Rules kept here, whatever keeps the rows (`wallets.store_memory`, `wallets.store_sqlite`):

- a call with a list is one commit: all of it or nothing, and its answers stand in the order of the list;
- two intents never hold one token; a token moves only by an intent, by `record`, or not at all;
- one id has one content: the same again gets the stored answer, another content is E_ID_REUSED;
- the checkpoints `wallet.intent.after`, `wallet.done.before` (nothing written yet) and `wallet.done.after` stand at
  every commit, so that a test can kill the wallet there.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from cbdc.errors import Refused
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.token import TokenId
from wallets.holdings import (
    Balance,
    Direction,
    Done,
    HistoryKey,
    HistoryRow,
    Intent,
    IntentKey,
    IntentState,
    Refusal,
    TokenKey,
    TokenState,
    WalletToken,
)

__all__ = [
    "Balance",
    "Direction",
    "Done",
    "Draft",
    "HistoryKey",
    "HistoryRow",
    "Intent",
    "IntentKey",
    "IntentState",
    "Refusal",
    "Rows",
    "TokenKey",
    "TokenState",
    "WalletStore",
    "WalletToken",
]


class Rows(Protocol):
    """Where the rows are kept. Lists come back in a fixed order, the same for every kind of store."""

    def transaction(self) -> AbstractContextManager[None]:
        """Alone with the rows until the block ends; what the block wrote is durable then, or, if it raises, gone."""
        ...

    def find_intent(self, key: IntentKey) -> Intent | None:
        """One intent."""
        ...

    def find_token(self, key: TokenKey) -> WalletToken | None:
        """One token."""
        ...

    def find_history(self, key: HistoryKey) -> HistoryRow | None:
        """One line of history."""
        ...

    def find_intents(self, keys: Collection[IntentKey]) -> dict[IntentKey, Intent]:
        """Those of these intents that are there."""
        ...

    def find_tokens(self, keys: Collection[TokenKey]) -> dict[TokenKey, WalletToken]:
        """Those of these tokens that are there."""
        ...

    def find_histories(self, keys: Collection[HistoryKey]) -> dict[HistoryKey, HistoryRow]:
        """Those of these lines that are there."""
        ...

    def unspent(self, wallets: Collection[str]) -> dict[str, list[WalletToken]]:
        """The unspent tokens of each of these wallets that has any, by id."""
        ...

    def totals(self) -> dict[str, int]:
        """What is not spent, in sum, of every wallet that has any."""
        ...

    def write(self, draft: "Draft") -> None:
        """Put every row of the draft, over the one with the same key."""
        ...

    def intents(self, wallet: str | None) -> list[Intent]:
        """Intents in the state `saved`, of one wallet or of all, oldest first."""
        ...

    def tokens(self, wallet: str, state: TokenState) -> list[WalletToken]:
        """Tokens of a wallet in one state, by id."""
        ...

    def balance(self, wallet: str) -> dict[bytes, Balance]:
        """Sums by mark of what is not spent, by mark in order."""
        ...

    def history(self, wallet: str, limit: int, skip: int) -> list[HistoryRow]:
        """Lines of history, the last written first."""
        ...

    def wallets(self) -> list[str]:
        """The names of all wallets with a token, an intent or a history, in order."""
        ...

    def close(self) -> None:
        """Give back what the rows hold open."""
        ...


class Draft:
    """One commit in the making: it reads what the rows say unless it has already changed it, and writes at the end."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.intents: dict[IntentKey, Intent] = {}
        self.tokens: dict[TokenKey, WalletToken] = {}
        self.history: dict[HistoryKey, HistoryRow] = {}
        self._read_intents: dict[IntentKey, Intent | None] = {}
        self._read_tokens: dict[TokenKey, WalletToken | None] = {}
        self._read_history: dict[HistoryKey, HistoryRow | None] = {}

    def read_intents(self, keys: Collection[IntentKey]) -> None:
        """Read these intents at once; they are not asked for one by one then."""
        self._read_intents.update(dict.fromkeys(keys))
        self._read_intents.update(self._rows.find_intents(keys))

    def read_tokens(self, keys: Collection[TokenKey]) -> None:
        """Read these tokens at once."""
        self._read_tokens.update(dict.fromkeys(keys))
        self._read_tokens.update(self._rows.find_tokens(keys))

    def read_inputs(self, keys: Iterable[IntentKey]) -> None:
        """Read the tokens that these intents chose at once."""
        found = [intent for key in keys if (intent := self._intent(key)) is not None]
        self.read_tokens([(intent.wallet, chosen) for intent in found for chosen in intent.inputs])

    def read_additions(self, tokens: Iterable[WalletToken], history: Iterable[HistoryRow]) -> None:
        """Read what is already known of these tokens and lines at once."""
        self.read_tokens([(token.wallet, token.id) for token in tokens])
        keys = [(row.wallet, row.id) for row in history]
        self._read_history.update(dict.fromkeys(keys))
        self._read_history.update(self._rows.find_histories(keys))

    def save(self, intent: Intent) -> Intent:
        """Store a new intent and hold its inputs; E_ID_REUSED, E_WALLET_TOKEN_UNKNOWN or E_WALLET_TOKEN_TAKEN."""
        assert intent.state == "saved", "only finish and refuse close an intent"
        key = (intent.wallet, intent.id)
        stored = self._intent(key)
        if stored is not None:
            if (stored.kind, stored.body, stored.inputs) != (intent.kind, intent.body, intent.inputs):
                raise Refused("E_ID_REUSED", id=intent.id)
            return stored
        for chosen in intent.inputs:
            token = self._token((intent.wallet, chosen))
            if token is None:
                raise Refused("E_WALLET_TOKEN_UNKNOWN", wallet=intent.wallet, token=_text(chosen))
            if token.state != "unspent":
                raise Refused("E_WALLET_TOKEN_TAKEN", token=_text(chosen), state=token.state)
            self._put(token.moved("pending", intent.id))
        self.intents[key] = intent
        return intent

    def finish(self, done: Done) -> Intent:
        """Close an accepted intent; the first result stands. E_WALLET_INTENT_UNKNOWN or E_WALLET_INTENT_CLOSED."""
        intent = self._open_intent(done.wallet, done.id, "done")
        if intent.state == "done":
            return intent
        self._move(intent, state="spent")
        closed = intent.closed("done", done.result)
        self.intents[intent.wallet, intent.id] = closed
        self.add(done.added, done.history)
        return closed

    def refuse(self, refusal: Refusal) -> Intent:
        """Close an intent that had no effect and free its tokens; the errors of `finish`."""
        intent = self._open_intent(refusal.wallet, refusal.id, "refused")
        if intent.state == "refused":
            return intent
        self._move(intent, state="unspent")
        closed = intent.closed("refused", refusal.result)
        self.intents[intent.wallet, intent.id] = closed
        return closed

    def add(self, tokens: Iterable[WalletToken], history: Iterable[HistoryRow]) -> None:
        """New tokens and lines; those known already stay as they are. E_WALLET_TOKEN_CHANGED, E_ID_REUSED."""
        for token in tokens:
            assert token.state == "unspent", "a token comes in unspent"
            known = self._token((token.wallet, token.id))
            if known is None:
                self._put(token)
            elif (known.amount_tiyn, known.lock, known.mark) != (token.amount_tiyn, token.lock, token.mark):
                raise Refused("E_WALLET_TOKEN_CHANGED", wallet=token.wallet, token=_text(token.id))
        for row in history:
            key = (row.wallet, row.id)
            written = self.history.get(key) or self._line(key)
            if written is not None and written != row:
                raise Refused("E_ID_REUSED", id=row.id)
            if written is None:
                self.history[key] = row

    def drop(self, wallet: str, id: TokenId) -> None:
        """A token is gone without an intent; one that is not there, or spent already, changes nothing."""
        token = self._token((wallet, id))
        if token is not None and token.state != "spent":
            self._put(token.moved("spent", token.intent))

    def _open_intent(self, wallet: str, id: bytes, target: IntentState) -> Intent:
        intent = self._intent((wallet, id))
        if intent is None:
            raise Refused("E_WALLET_INTENT_UNKNOWN", wallet=wallet, id=id)
        if intent.state not in {"saved", target}:
            raise Refused("E_WALLET_INTENT_CLOSED", id=id, state=intent.state, wanted=target)
        return intent

    def _move(self, intent: Intent, state: TokenState) -> None:
        for chosen in intent.inputs:
            token = self._token((intent.wallet, chosen))
            assert token is not None, "an input was there when it was chosen, and rows are never deleted"
            if token.state == "pending":  # not one that was dropped meanwhile
                self._put(token.moved(state, intent.id if state == "spent" else b""))

    def _intent(self, key: IntentKey) -> Intent | None:
        changed = self.intents.get(key)
        if changed is not None:
            return changed
        return self._read_intents[key] if key in self._read_intents else self._rows.find_intent(key)

    def _token(self, key: TokenKey) -> WalletToken | None:
        changed = self.tokens.get(key)
        if changed is not None:
            return changed
        return self._read_tokens[key] if key in self._read_tokens else self._rows.find_token(key)

    def _line(self, key: HistoryKey) -> HistoryRow | None:
        return self._read_history[key] if key in self._read_history else self._rows.find_history(key)

    def _put(self, token: WalletToken) -> None:
        self.tokens[token.wallet, token.id] = token


def _text(id: TokenId) -> str:
    return f"{id.transaction_id.hex()}:{id.output}"


class WalletStore:
    """The store of one or many wallets: every rule stands here once, above whatever keeps the rows."""

    def __init__(self, rows: Rows, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._rows = rows
        self._checkpoint = checkpoint

    def save_intents(self, intents: Sequence[Intent]) -> list[Intent]:
        """Save intents and hold the tokens they chose, in one commit, before anything is sent.

        An intent saved before comes back as it is stored, whatever became of it. Raises E_ID_REUSED for a known id
        with another kind, body or inputs, E_WALLET_TOKEN_UNKNOWN, and E_WALLET_TOKEN_TAKEN when another intent holds
        a token or it is spent: choose again. Nothing of the list is saved then.
        """
        draft = Draft(self._rows)
        with self._rows.transaction():
            draft.read_intents([(intent.wallet, intent.id) for intent in intents])
            draft.read_tokens([(intent.wallet, chosen) for intent in intents for chosen in intent.inputs])
            answers = [draft.save(intent) for intent in intents]
            self._rows.write(draft)
        self._checkpoint("wallet.intent.after")
        return answers

    def finish(self, outcomes: Sequence[Done]) -> list[Intent]:
        """Close accepted intents in one commit: inputs spent, new tokens and history added.

        Finishing again changes nothing. Raises E_WALLET_INTENT_UNKNOWN, E_WALLET_INTENT_CLOSED for one that was
        refused, E_WALLET_TOKEN_CHANGED and E_ID_REUSED (a line of history) when something known comes with another
        content. Nothing of the list is done then.
        """
        draft = Draft(self._rows)
        with self._rows.transaction():
            keys = [(done.wallet, done.id) for done in outcomes]
            draft.read_intents(keys)
            draft.read_inputs(keys)
            draft.read_additions(
                [token for done in outcomes for token in done.added],
                [row for done in outcomes for row in done.history],
            )
            answers = [draft.finish(done) for done in outcomes]
            self._write_done(draft)
        self._checkpoint("wallet.done.after")
        return answers

    def refuse(self, refusals: Sequence[Refusal]) -> list[Intent]:
        """Close intents that had no effect in one commit and free their tokens; again changes nothing.

        Raises E_WALLET_INTENT_UNKNOWN, and E_WALLET_INTENT_CLOSED for one that is done.
        """
        draft = Draft(self._rows)
        with self._rows.transaction():
            keys = [(refusal.wallet, refusal.id) for refusal in refusals]
            draft.read_intents(keys)
            draft.read_inputs(keys)
            answers = [draft.refuse(refusal) for refusal in refusals]
            self._write_done(draft)
        self._checkpoint("wallet.done.after")
        return answers

    def record(
        self,
        added: Sequence[WalletToken] = (),
        dropped: Sequence[tuple[str, TokenId]] = (),
        history: Sequence[HistoryRow] = (),
    ) -> None:
        """What happened without an intent of one's own, in one commit: money received, or taken (`dropped`).

        Recording again changes nothing. Raises E_WALLET_TOKEN_CHANGED and E_ID_REUSED as `finish` does.
        """
        draft = Draft(self._rows)
        with self._rows.transaction():
            draft.read_additions(added, history)
            draft.read_tokens(dropped)
            draft.add(added, history)
            for wallet, token_id in dropped:
                draft.drop(wallet, token_id)
            self._write_done(draft)
        self._checkpoint("wallet.done.after")

    def _write_done(self, draft: Draft) -> None:
        self._checkpoint("wallet.done.before")
        self._rows.write(draft)

    def intent(self, wallet: str, id: bytes) -> Intent | None:
        """One intent, open or closed."""
        return self._rows.find_intent((wallet, id))

    def intents(self, keys: Collection[IntentKey]) -> dict[IntentKey, Intent]:
        """Those of these intents (wallet, id) that are there, open or closed."""
        return self._rows.find_intents(keys)

    def known_tokens(self, keys: Collection[TokenKey]) -> dict[TokenKey, WalletToken]:
        """Those of these tokens (wallet, id) that are there, in whatever state."""
        return self._rows.find_tokens(keys)

    def unspent(self, wallets: Collection[str]) -> dict[str, list[WalletToken]]:
        """The unspent tokens of each of these wallets that has any, by id."""
        return self._rows.unspent(wallets)

    def totals(self) -> dict[str, int]:
        """What each wallet holds in sum, marked or free, held by open intents or not; only wallets that hold any."""
        return self._rows.totals()

    def open_intents(self, wallet: str | None = None) -> list[Intent]:
        """Intents saved and not closed, oldest first: what to send (again) when the wallet starts."""
        return self._rows.intents(wallet)

    def token(self, wallet: str, id: TokenId) -> WalletToken | None:
        """One token in whatever state."""
        return self._rows.find_token((wallet, id))

    def tokens(self, wallet: str, state: TokenState = "unspent") -> list[WalletToken]:
        """Tokens of a wallet in one state, by id."""
        return self._rows.tokens(wallet, state)

    def balance(self, wallet: str) -> dict[bytes, Balance]:
        """Sums of what is not spent, by mark; free money stands under the empty mark, and only if there is any."""
        return self._rows.balance(wallet)

    def history(self, wallet: str, limit: int = 50, skip: int = 0) -> list[HistoryRow]:
        """Lines of history, the last written first."""
        return self._rows.history(wallet, limit, skip)

    def wallets(self) -> list[str]:
        """The names of all wallets in the store."""
        return self._rows.wallets()

    def close(self) -> None:
        """Give back what the store holds open; it is not used afterwards."""
        self._rows.close()
