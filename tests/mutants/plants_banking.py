"""Bugs in policies, waterfall, handover, recovery, mandates, refunds, phone numbers and requests."""

from tests.mutants.plant import Field, bugs

BANKING = Field(
    "Policies and conditional payments",
    bugs(
        "cbdc/ledger/rules_payment.py",
        ("tests/cbdc/test_limit_periods.py",),
        (
            "month-limit-for-each-payment",
            "A month holds any number of payments.",
            "    so_far = number(case.view, key)",
            "    so_far = 0",
        ),
        (
            "month-not-counted",
            "What was paid this month is forgotten at once.",
            "    case.draft.moved[key] = paid_tiyn",
            "    case.draft.moved[key] = 0",
        ),
    )
    + bugs(
        "cbdc/ledger/rules_service.py",
        ("tests/cbdc/test_rules.py",),
        (
            "handover-without-enforcement",
            "A bank takes another bank's customers.",
            "    signing_as(case, authority.ENFORCEMENT)\n",
            "",
        ),
        (
            "any-bank-takes-part",
            "A bank that nobody asked signs for a recovery.",
            "    if all(auth.scope != (bank_id,) for auth in signing_as(case, authority.BANK)):",
            "    if not signing_as(case, authority.BANK):",
        ),
        (
            "recovery-to-another-holder",
            "A bank and the authority give a wallet to somebody else.",
            "    same = identity(old) == identity(new) and",
            "    same =",
        ),
        (
            "lost-key-stays-alive",
            "A thief's key receives payments after the recovery.",
            "    case.draft.changes[StateKey(KEY, record.old)] = replace(old, successor=record.new)",
            "    assert old",
            ("tests/cbdc/test_recovery.py",),
        ),
        (
            "shared-money-recovered",
            "Money behind a quorum is taken out by one of its holders' bank.",
            "    if not same or len(locks) > 1 or len(targets) > 1:",
            "    if not same or len(targets) > 1:",
        ),
    )
    + bugs(
        "cbdc/recovery.py",
        ("tests/cbdc/test_recovery_far.py",),
        (
            "far-signatures-unchecked",
            "A recovery begins with signatures that are not the new key's.",
            "            new.verify(signature, message)\n",
            "",
        ),
        (
            "far-signatures-missing",
            "A recovery begins although the new key has not signed all of it.",
            "        if len(signatures) < len(papers):",
            "        if len(signatures) < 0:",
        ),
    )
    + bugs(
        "cbdc/overflow.py",
        ("tests/cbdc/test_overflow.py",),
        (
            "terms-do-not-keep-room",
            "Two payments at once are promised the same room.",
            "        room = max(0, self._room(kid, policy) - promised.get(kid, 0))",
            "        room = max(0, self._room(kid, policy))",
        ),
        (
            "bought-back-and-settled",
            "One transfer credits two deposits.",
            "        if self._books.booked(bought_back_id(self._bank_id, transaction.id)) or any(",
            "        if any(",
        ),
        (
            "another-payment-settled",
            "A payment that gives the bank less is credited in full.",
            "            self._paid(outputs, kid) != amount",
            "            self._paid(outputs, kid) < 0",
        ),
    )
    + bugs(
        "cbdc/distribution.py",
        ("tests/cbdc/test_overflow.py",),
        (
            "payer-takes-the-overflow",
            "A payer hands its payment in as a sale, and gets the payee's part back.",
            "or self.overflow.is_promised(",
            "or bool and not self.overflow.is_promised(",
        ),
    )
    + bugs(
        "cbdc/purchases.py",
        ("tests/cbdc/test_purchases.py",),
        (
            "refused-sale-stays-counted",
            "A customer without money today may not buy tomorrow's bread today.",
            "        left = self._number(name, rows) - amount",
            "        left = self._number(name, rows)",
        ),
        (
            "reused-id-frees-the-day",
            "A bogus order under a known id gives the day's limit back.",
            'and answer.code != "E_ID_REUSED":',
            "and answer.code:",
        ),
    )
    + bugs(
        "cbdc/mandates.py",
        ("tests/cbdc/test_mandates.py",),
        (
            "collection-paid-twice",
            "The same collection takes the rent twice.",
            "            if done:\n                return\n",
            "",
        ),
        (
            "refused-collection-uses-up-the-period",
            "A period in which money was missing is lost to the payee.",
            "            self._take_back(id, mandate, period, amount_tiyn)\n",
            "",
        ),
        (
            "anybody-revokes",
            "A landlord's rival revokes the mandates.",
            "        proof.verify(self._key(kid).key)\n",
            "",
            ("tests/cbdc/test_mandates.py",),
        ),
    )
    + bugs(
        "cbdc/aliases.py",
        ("tests/cbdc/test_aliases.py",),
        (
            "number-taken-from-its-holder",
            "Whoever claims a number later gets its payments.",
            "            if (present.pseudonym, present.category) != (mine.pseudonym, mine.category):",
            "            if not present.pseudonym:",
        ),
        (
            "unknown-numbers-not-counted",
            "Somebody reads the directory number by number.",
            "            rows = [self._count(holder), Row",
            "            rows = [*([self._count(holder)] if found else []), Row",
        ),
        (
            "another-holders-lookup-answers",
            "Lookups are shared, and nobody counts them.",
            'follow("lookup", holder, HASH',
            'follow("lookup", HASH',
        ),
    )
    + bugs(
        "cbdc/recovery.py",
        ("tests/cbdc/test_recovery.py",),
        (
            "recovery-a-second-early",
            "A wallet moves before the waiting time is over.",
            "        if now < ready:",
            "        if now < ready - 1:",
        ),
        (
            "courts-freeze-lifted",
            "A recovery lifts the freeze of a court.",
            "                return False\n            self._cabinet",
            "                return True\n            self._cabinet",
        ),
    )
    + bugs(
        "wallets/refunds.py",
        ("tests/wallets/test_request_book.py",),
        (
            "refunds-judged-one-by-one",
            "Many small refunds give back more than was paid.",
            "        total = self.refunded_tiyn(payee, original) + amount_tiyn",
            "        total = amount_tiyn",
        ),
        (
            "refund-to-a-retired-key",
            "A refund goes to a key that was replaced.",
            "        while successor := self._key(payer).successor:\n            payer = successor\n",
            "",
        ),
    )
    + bugs(
        "cbdc/recovery_codes.py",
        ("tests/site/test_recovery.py",),
        (
            "recovery-code-for-any-key",
            "A second key takes over by a code that another one has shown.",
            "        if kept.kid and kept.kid != public.kid:",
            "        if False:",
        ),
        (
            "old-recovery-code-still-good",
            "A code that was overheard works on after the bank made a new one.",
            "            self.end(customer)\n",
            "",
        ),
        (
            "recovery-code-for-anybodys-wallet",
            "A customer gets a code for another customer's wallet.",
            "        if self._bank.customers.owner_of(lost).id != customer:",
            "        if False:",
        ),
    )
    + bugs(
        "wallets/request_book.py",
        ("tests/wallets/test_request_book.py",),
        (
            "request-paid-by-a-second-attempt",
            "A second click pays the bill again.",
            '        if state and not again and self._policy.holds("request_once"):',
            '        if state == DECLINED and not again and self._policy.holds("request_once"):',
        ),
        (
            "request-under-way-forgotten",
            "A payment without an answer is paid once more by another attempt.",
            "        if not again:\n            self._write(request, UNDER_WAY, attempt)\n",
            "",
        ),
    )
    + bugs(
        "cbdc/conditional.py",
        ("tests/wallets/test_conditional.py",),
        (
            "second-leg-may-end-last",
            "Who made the secret takes both legs.",
            "    if first_deadline - second_deadline < margin_seconds:",
            "    if first_deadline < second_deadline - margin_seconds:",
        ),
        (
            "claimed-money-to-the-payer",
            "Who shows the secret pays for it.",
            "    output = Token(token.amount_tiyn, KeyLock(lock.claim), token.mark)",
            "    output = Token(token.amount_tiyn, KeyLock(lock.refund), token.mark)",
        ),
    ),
)
FIELDS = (BANKING,)
