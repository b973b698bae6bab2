"""Bugs in a wallet's memory: its store, and when it saves what it is about to do."""

from tests.mutants.plant import Field, bugs

STORE = ("tests/wallets/test_store.py", "tests/wallets/test_gap_store.py")
SQLITE = ("tests/wallets/test_store_sqlite.py", *STORE)
WALLET = ("tests/wallets/test_wallet.py", "tests/wallets/test_gap_wallet.py")

MEMORY = Field(
    "The wallet",
    bugs(
        "wallets/store.py",
        STORE,
        (
            "two-intents-hold-one-token",
            "A wallet promises one token to two payees.",
            '            if token.state != "unspent":',
            '            if token.state == "spent":',
        ),
        (
            "intent-id-used-again",
            "Another payment under an old id is answered as the old one.",
            "            if (stored.kind, stored.body, stored.inputs) != (intent.kind, intent.body, intent.inputs):",
            "            if False:",
        ),
        (
            "refused-tokens-stay-held",
            "A refused payment keeps its money for ever.",
            '        self._move(intent, state="unspent")\n',
            "",
        ),
        (
            "spent-tokens-come-back",
            "A wallet shows money that it has paid away.",
            '        self._move(intent, state="spent")\n',
            '        self._move(intent, state="unspent")\n',
        ),
        (
            "closed-intent-closed-otherwise",
            "A payment that was made is called refused, and its tokens are free again.",
            '        if intent.state not in {"saved", target}:',
            "        if False:",
        ),
        (
            "dropped-money-comes-back",
            "Money taken by a court's order comes back with a refused payment.",
            '            if token.state == "pending":',
            "            if True:",
        ),
        (
            "token-changes-its-amount",
            "A stranger's word changes what a known token is worth.",
            "elif (known.amount_tiyn, known.lock, known.mark) != (",
            "elif token.amount_tiyn < 0 and (",
        ),
        (
            "history-rewritten",
            "A line that a person has read says something else.",
            "            if written is not None and written != row:",
            "            if False:",
        ),
    )
    + bugs(
        "wallets/store_sqlite.py",
        SQLITE,
        (
            "wallet-not-durable",
            "A power cut takes back a saved intent whose payment was sent.",
            '"PRAGMA synchronous = FULL"',
            '"PRAGMA synchronous = OFF"',
        ),
        (
            "half-a-wallet-commit-stays",
            "A batch that failed leaves its first half.",
            '                    self._database.execute("ROLLBACK")',
            '                    self._database.execute("COMMIT")',
        ),
        (
            "later-version-opened",
            "An old program writes into a file that it does not understand.",
            "        if version != VERSION:",
            "        if version < VERSION:",
        ),
        (
            "wallet-readable-by-all",
            "Everybody on the machine reads whom a person pays.",
            "os.O_CREAT | os.O_WRONLY, 0o600",
            "os.O_CREAT | os.O_WRONLY, 0o644",
        ),
    )
    + bugs(
        "wallets/wallet.py",
        WALLET,
        (
            "intent-saved-after-sending",
            "A wallet that dies after sending does not know what it paid.",
            "    return send_saved(store, gateway, save(store, intents), directory, clock)\n",
            (
                "    gateway.submit_many([intent.body for intent in intents])\n"
                "    return send_saved(store, gateway, save(store, intents), directory, clock)\n"
            ),
        ),
        (
            "no-answer-taken-for-a-refusal",
            "When the ledger cannot be reached, money that may be gone is offered again.",
            "        if isinstance(answer, Unavailable):\n            continue\n",
            "",
        ),
        (
            "resume-does-not-send",
            "Open payments wait for ever.",
            "        send(store, gateway, pending, directory, clock)",
            "        pass",
        ),
        (
            "intent-built-anew",
            "Asking again pays a second time with other tokens.",
            (
                "        known, mine = sight.intents.get((self.name, intent_id)), sight.tokens.get(self.name, ())\n"
                "        if known is not None:\n"
                "            return known\n"
            ),
            "        mine = sight.tokens.get(self.name, ())\n",
        ),
        (
            "one-nonce-for-all-intents",
            "Two intents of one wallet make one transaction.",
            'self._entropy.bytes("wallet nonce", self.kid + intent_id, 16)',
            'self._entropy.bytes("wallet nonce", self.kid, 16)',
        ),
        (
            "batch-chooses-a-token-twice",
            "Two payments of one batch choose one token, and one is refused.",
            "            taken.update(choice.chosen)",
            "            pass",
        ),
        (
            "change-forgotten",
            "What a payment leaves over is not the payer's.",
            "if change_tiyn else tuple(outputs)",
            "if False else tuple(outputs)",
        ),
        (
            "seized-tokens-stay-in-the-list",
            "A wallet shows money that a court has taken.",
            "        store.record(dropped=gone)",
            "        pass",
        ),
    ),
)

FIELDS = (MEMORY,)
