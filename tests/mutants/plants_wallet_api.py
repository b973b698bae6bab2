"""Bugs in what wallets ask over HTTP: joining, payment requests with a link, reports of a loss, turns."""

from tests.mutants.plant import Field, bugs

LINKS = ("tests/site/test_request_links.py",)
LOSSES = ("tests/site/test_losses.py",)
TURN = ("tests/site/test_turn.py",)

WALLET_API = Field(
    "The wallet's HTTP interface",
    bugs(
        "cbdc/joining.py",
        ("tests/cbdc/test_joining.py",),
        (
            "code-bound-after-the-ledger",
            "A crash while joining leaves a code that joins a second key.",
            "        self._note(code, customer, expires, public.kid)\n        try:",
            "        try:",
        ),
        (
            "failed-join-frees-a-used-code",
            "A wrong signature makes a used code good again.",
            "            if not joined:\n",
            "            if True:\n",
        ),
    )
    + bugs(
        "cbdc/request_board.py",
        LINKS,
        (
            "old-payment-pays-new-request",
            "A payment of last week pays today's request.",
            "        elif receipt.index < since:",
            "        elif False:",
        ),
        (
            "one-payment-pays-two-requests",
            "A payer names the same payment twice.",
            "        elif other is not None and other != record.id:",
            "        elif False:",
        ),
        (
            "any-key-names-a-payment",
            "Somebody else's payment is passed off as one's own.",
            "        if said.purpose != purpose or said.kid not in kids:",
            "        if said.purpose != purpose:",
        ),
        (
            "word-for-another-act",
            "A word that was signed for something else takes a request back.",
            "        if said.purpose != purpose or said.kid not in kids:",
            "        if said.kid not in kids:",
        ),
        (
            "request-of-somebody-else",
            "Anybody asks for money in a payee's name.",
            "        request.verify(key.key)\n        known",
            "        known",
        ),
        (
            "late-payment-in-time",
            "A request that ran out is paid all the same.",
            "        if record.expires and receipt.time > record.expires:",
            "        if False:",
        ),
    )
    + bugs(
        "offline/http_losses.py",
        LOSSES,
        (
            "anybody-reports-a-device",
            "A stranger has somebody's device revoked.",
            "        if not _same_holder(speaker, owner):",
            "        if False:",
        ),
        (
            "old-word-freezes-again",
            "Whoever kept a report freezes its holder months later.",
            "        fresh = abs(said.time - ask.real_clock.now()) <= PROOF_SECONDS",
            "        fresh = True",
        ),
        (
            "replaced-key-reports",
            "A key that was stolen and replaced freezes its holder.",
            "        if key is None or key.successor or",
            "        if key is None or",
        ),
        (
            "lost-wallets-devices-go-on",
            "A frozen holder's phone pays on with no network.",
            "            self._centre.report_lost(device)\n        frozen",
            "            pass\n        frozen",
        ),
    )
    + bugs(
        "cbdc/http/wallet_client.py",
        LINKS,
        (
            "client-believes-any-payee",
            "A lying server puts its own key into a link.",
            "            posted.request.verify(payee.key)",
            "            pass",
        ),
    )
    + bugs(
        "wallets/site/wallet_interface.py",
        TURN,
        (
            "turn-kept-after-a-reset",
            "A request that a reset overtook stops the whole server.",
            "            self._world.lock.release()\n            raise",
            "            raise",
        ),
    ),
)

FIELDS = (WALLET_API,)
