"""Bugs in what a wallet is asked by others: inboxes, refusals, lists of mandates, news of what waits."""

from tests.mutants.plant import Field, bugs

ASKED = ("tests/site/test_wallet_third.py",)

WALLET_THIRD = Field(
    "Requests in an inbox, lists of mandates, news of what waits",
    (
        *bugs(
            "cbdc/request_board.py",
            ASKED,
            (
                "inbox-of-anybody",
                "Anybody puts somebody's request into an inbox.",
                '        self._check_word(word, address_purpose(id, HASH.load(kid, "key id")), [payee])',
                '        self._check_word(word, address_purpose(id, HASH.load(kid, "key id")), [word.record.kid])',
            ),
            (
                "addressed-twice",
                "A request that stands in one inbox is put into another.",
                "            if posted.payer != kid:",
                "            if not posted.payer:",
            ),
            (
                "declined-by-anybody",
                "Whoever signs declines a request.",
                "        self._check_word(word, decline_purpose(id), [posted.payer])",
                "        self._check_word(word, decline_purpose(id), [word.record.kid])",
            ),
            (
                "inbox-without-end",
                "One asker fills an inbox.",
                "        if waiting >= MOST_TO_ONE:",
                "        if waiting > MOST_TO_ONE:",
            ),
        ),
        *bugs(
            "cbdc/http/partners.py",
            ASKED,
            (
                "orders-in-silence",
                "An order that arrives wakes nobody's page.",
                '        self._desks.news([bytes.fromhex(kid) for kid in order["signers"]])',
                "        self._desks.news([])",
            ),
        ),
    ),
)

FIELDS = (WALLET_THIRD,)
