"""Bugs in the guards of the ledger."""

from tests.mutants.plant import Field, bugs

RULES = ("tests/cbdc/test_rules.py", "tests/cbdc/test_gap_ledger.py", "tests/attacks/test_ledger_locks.py")

GUARDS = Field(
    "The guards of the ledger",
    bugs(
        "cbdc/ledger/context.py",
        RULES,
        (
            "second-witness-not-verified",
            "Whoever signs first signs for everybody who is named after.",
            "    for kid, signature in transaction.witnesses:\n",
            "    for kid, signature in transaction.witnesses[:1]:\n",
        ),
        (
            "retired-key-receives",
            "Money goes to a key that its holder has given up.",
            "            if registered(view, kid).successor:",
            "            if registered(view, kid) is None:",
        ),
        (
            "certificates-never-end",
            "An officer signs after the term of office.",
            "    current = [auth for auth in named if auth.not_before <= case.now <= auth.expires]",
            "    current = named",
        ),
        (
            "officers-never-retire",
            "An emission officer signs after the term of office.",
            "        if auth.not_before <= case.now <= auth.expires\n    ]\n    threshold",
            "    ]\n    threshold",
        ),
        (
            "threshold-of-officers-ignored",
            "One officer issues money, whatever the certificates ask for.",
            "    keys.check_quorum(max(threshold, 1), frozenset",
            "    keys.check_quorum(1, frozenset",
        ),
        (
            "anybody-opens-a-lock",
            "Anybody spends anybody's money.",
            "        opened = lock.kid in case.signers\n",
            "        opened = True\n",
        ),
        (
            "claim-without-the-secret",
            "Money behind a hash lock is claimed before the secret is known.",
            "        opened = lock.claim in case.signers and _shows_preimage(case, lock)\n",
            "        opened = lock.claim in case.signers\n",
        ),
        (
            "refund-at-the-deadline",
            "Payer and payee both may take the money in the last second.",
            "    elif case.now > lock.deadline:",
            "    elif case.now >= lock.deadline:",
        ),
        (
            "the-frozen-sign-for-others",
            "A frozen person spends through a shared lock.",
            "    for holder in (*spenders, *signers):",
            "    for holder in spenders:",
        ),
        (
            "frozen-money-moves",
            "Others spend what a frozen person holds.",
            "    for holder in (*spenders, *signers):",
            "    for holder in signers:",
        ),
    )
    + bugs(
        "cbdc/ledger/view.py",
        RULES,
        (
            "sum-not-checked",
            "Payments make money out of nothing.",
            "        if self.spent_tiyn != self.created_tiyn:",
            "        if False:",
        ),
        (
            "sum-may-shrink",
            "Payments destroy money.",
            "        if self.spent_tiyn != self.created_tiyn:",
            "        if self.spent_tiyn < self.created_tiyn:",
        ),
        (
            "spent-token-stays",
            "A token is spent again and again.",
            "        self.changes[key] = None\n        self.spent",
            "        self.spent",
        ),
        (
            "once-is-not-for-ever",
            "A request, a fact or a statement is used again in the next transaction.",
            "        if self.view[key] is not None or key in self.changes:",
            "        if key in self.changes:",
        ),
        (
            "statement-twice-in-one-transaction",
            "One statement, named twice, frees twice its amount.",
            "        if self.view[key] is not None or key in self.changes:",
            "        if self.view[key] is not None:",
        ),
        (
            "marked-money-not-counted",
            "Nobody knows how much marked money there is.",
            "            self.moved[mark_counter(token.mark)] += amount",
            "            pass",
            (*RULES, "tests/cbdc/test_ledger.py"),
        ),
        (
            "holdings-not-counted",
            "The holding limit never bites.",
            '        if name == "wallets":\n            self.moved[holding_counter(holder.pseudonym)] += amount',
            "",
        ),
    )
    + bugs(
        "cbdc/ledger/places.py",
        RULES,
        (
            "escrow-spends-by-transfer",
            "The settlement key pays money away that stands for notes.",
            "_PUBLIC = (INVENTORY, TREASURY, WALLETS)",
            "_PUBLIC = (INVENTORY, TREASURY, WALLETS, ESCROW)",
        ),
        (
            "category-is-no-part-of-a-holder",
            "A canteen's owner eats the meal money as a person.",
            "    return key.pseudonym, key.category",
            "    return key.pseudonym, 0",
        ),
        (
            "several-holders-redeem-together",
            "One bank's redemption takes another's inventory along.",
            "    if place.one_holder and len(own) != 1:",
            "    if False:",
        ),
        (
            "locks-chosen-by-others",
            "Settlement pays behind a lock that the payee cannot open.",
            "        if place.plain and not isinstance(token.lock, KeyLock):",
            "        if False:",
        ),
        (
            "receivers-not-asked",
            "Issued money goes straight to a friend's wallet.",
            "        if not change and holder_class(holder.category) not in place.receivers:",
            "        if False:",
        ),
        (
            "spenders-not-asked",
            "Enforcement seizes a bank's inventory.",
            "        if holder_class(holder.category) not in place.spenders:",
            "        if False:",
        ),
    )
    + bugs(
        "cbdc/ledger/rules_payment.py",
        RULES,
        (
            "holding-limit-forgotten-on-receiving",
            "A wallet holds any amount.",
            "        if flow[pseudonym] > 0:",
            "        if False:",
        ),
        (
            "holding-limit-for-each-payment",
            "Many small payments fill a wallet beyond its limit.",
            "    held = number(case.view, holding_counter(pseudonym)) + received_tiyn",
            "    held = received_tiyn",
        ),
        (
            "holding-limit-off-by-one",
            "A wallet holds a tiyn more than its tier allows.",
            "held > row.holding_limit_tiyn:",
            "held > row.holding_limit_tiyn + 1:",
        ),
        (
            "payment-limit-off-by-one",
            "A payment is a tiyn above the tier's limit.",
            "paid_tiyn > row.payment_limit_tiyn:",
            "paid_tiyn > row.payment_limit_tiyn + 1:",
        ),
        (
            "day-limit-for-each-payment",
            "A day holds any number of payments.",
            "    total = number(case.view, key) + paid_tiyn\n    for row in limits:",
            "    total = paid_tiyn\n    for row in limits:",
        ),
        (
            "day-not-counted",
            "What was paid today is forgotten at once.",
            "        case.draft.moved[key] += paid_tiyn",
            "        pass",
        ),
        (
            "only-one-tier-limits",
            "Two keys of different tiers have the limits of the better one.",
            "for tier in sorted(tiers)]",
            "for tier in sorted(tiers)[-1:]]",
        ),
        (
            "frozen-holders-pay",
            "A freeze stops nobody.",
            "    check_lock_holders(case)\n    check_not_frozen(case)\n",
            "    check_lock_holders(case)\n",
        ),
        (
            "holder-without-a-word",
            "Money behind a shared lock fills a stranger's limits.",
            "    check_lock_holders(case)\n    check_not_frozen(case)\n",
            "    check_not_frozen(case)\n",
        ),
        (
            "notes-behind-change",
            "A load's escrow tokens and notes no longer stand side by side.",
            "    if not notes or ESCROW in categories[notes:]:",
            "    if not notes:",
        ),
    )
    + bugs(
        "cbdc/ledger/rules_institutions.py",
        RULES,
        (
            "issue-request-used-twice",
            "One approved request issues money twice.",
            '    check_places(case, "Issue")\n    case.draft.once(',
            '    check_places(case, "Issue")\n    print(',
        ),
        (
            "operator-not-asked-to-issue",
            "The officers issue without a registered request.",
            "    require_emission(case)\n    signing_as(case, authority.OPERATOR)\n",
            "    require_emission(case)\n",
        ),
        (
            "settled-fact-used-twice",
            "One redemption is paid out of escrow twice.",
            '    case.draft.once(record.fact, case.transaction.id, "E_FACT_USED")\n',
            "",
        ),
        (
            "redemption-of-nothing",
            "A redemption destroys nothing and uses up its request.",
            "    if outputs >= inputs:",
            "    if outputs > inputs:",
        ),
        (
            "marked-money-redeemed",
            "Meal money is cashed out through a bank.",
            '        if token.mark:\n            raise Refused("E_MARK_BLOCKS", mark=token.mark)',
            "        pass",
        ),
        (
            "key-registered-without-its-holder",
            "A bank registers a key that nobody has shown to hold.",
            '    if kid not in case.signers:\n        raise Refused("E_POSSESSION", kid=kid)\n    _require',
            "    _require",
        ),
        (
            "key-registered-over-another",
            "A bank takes over another bank's customer.",
            "    if case.view[StateKey(KEY, kid)] is not None or case.genesis.authority.holds(kid):",
            "    if case.genesis.authority.holds(kid):",
        ),
        (
            "bank-registers-for-another-bank",
            "One bank gives away the limits of another.",
            "    if role == authority.BANK and all(auth.scope != (bank_id,) for auth in auths):",
            "    if False:",
        ),
        (
            "each-key-a-holder",
            "A second key buys a second limit.",
            "record.bank_id, record.tier, record.category, record.pseudonym",
            "record.bank_id, record.tier, record.category, kid",
        ),
        (
            "key-rotated-without-the-old-one",
            "A bank replaces a customer's key on its own.",
            "    for kid in (record.old, new):",
            "    for kid in (new,):",
        ),
        (
            "seized-money-keeps-its-mark",
            "The treasury receives money that it cannot use.",
            "    check_unmarked(taken)\n",
            "",
        ),
        (
            "refund-drops-the-mark",
            "Meal money goes offline, is never spent, and comes back free.",
            "        redeemed = kind == SETTLE_REDEEM and bool(mark)",
            "        redeemed = bool(mark)",
        ),
        (
            "anybody-redeems-marked-money-free",
            "Meal money goes offline, comes home to its pupil, and is free.",
            "        drops = redeemed and definition_of(case, mark).converts_for(holder.category)",
            "        drops = redeemed and definition_of(case, mark).converts_on_redeem == 1",
        ),
    ),
)

FIELDS = (GUARDS,)
