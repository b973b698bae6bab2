"""Bugs in marks: their definitions, their clauses, and how the ledger judges a payment by them."""

from tests.mutants.plant import Field, bugs

RULES = ("tests/cbdc/test_rules.py", "tests/cbdc/test_gap_ledger.py", "tests/attacks/test_ledger_locks.py")
CLAUSES = ("tests/cbdc/test_clauses.py", "tests/cbdc/test_rules.py")

MARKS = Field(
    "Marks",
    bugs(
        "cbdc/marks.py",
        RULES,
        (
            "mark-lives-one-second-longer",
            "Marked money is spent after its last moment.",
            "inside = definition.valid_from <= now <= definition.valid_until",
            "inside = definition.valid_from <= now <= definition.valid_until + 1",
        ),
        (
            "mark-ends-one-second-early",
            "Marked money is refused in its last second.",
            "inside = definition.valid_from <= now <= definition.valid_until",
            "inside = definition.valid_from <= now < definition.valid_until",
        ),
        (
            "mark-begins-early",
            "Marked money is spent before its first day.",
            "inside = definition.valid_from <= now <= definition.valid_until",
            "inside = now <= definition.valid_until",
        ),
        (
            "edges-not-asked",
            "Meal money buys anything from anybody.",
            "return any(payer == payer_category and payee_category in payees for payer, payees in self.edges)",
            "return True",
        ),
        (
            "payer-of-an-edge-not-asked",
            "Whoever gets hold of meal money may pay a canteen with it.",
            "return any(payer == payer_category and payee_category in payees for payer, payees in self.edges)",
            "return any(payee_category in payees for payer, payees in self.edges)",
        ),
        (
            "cap-off-by-one",
            "A payment is one tiyn above the mark's cap.",
            '"E_MARK_CAP" if cap and payment.amount_tiyn > cap else ""',
            '"E_MARK_CAP" if cap and payment.amount_tiyn > cap + 1 else ""',
        ),
        (
            "mark-expired-on-its-last-second",
            "The treasury takes money back while it may still be spent.",
            "if now <= definition.valid_until else",
            "if now < definition.valid_until else",
        ),
        (
            "marked-money-always-loadable",
            "Money whose mark forbids it goes offline.",
            'return Finding(purpose.rule, "offline", "E_MARK_OFFLINE", facts)',
            'return Finding(purpose.rule, "offline", "", facts)',
        ),
        (
            "release-beyond-the-documents",
            "A contractor frees what should be retained.",
            'code = "E_MARK_RELEASE_SUM" if left else ""',
            'code = ""',
        ),
        (
            "release-uses-nothing-up",
            "One act frees money again and again.",
            'Finding("documents", "documents", code, summary, tuple(taken.items()))',
            'Finding("documents", "documents", code, summary)',
        ),
        (
            "release-on-what-was-taken-back",
            "An act that its register took back frees money.",
            "        good = standing(good, now)\n",
            "",
        ),
        (
            "one-act-under-two-clauses",
            "Two release clauses count one act twice.",
            "max(0, item.left_tiyn - taken[item.counter])",
            "item.left_tiyn",
        ),
        (
            "a-document-used-up-twice-by-one-payment",
            "Two clauses that ask for the same invoice halve what it is good for.",
            "            uses[name] = max(amount, uses.get(name, 0))",
            "            uses[name] = amount + uses.get(name, 0)",
        ),
    )
    + bugs(
        "cbdc/marks.py",
        ("tests/cbdc/test_marks.py",),
        (
            "what-a-receiver-cannot-judge-goes-offline",
            "Money that only buys milk goes offline, where nobody asks.",
            "            case _ if set(clause.payers) != {TREASURY_CATEGORY}:",
            "            case _ if False:",
        ),
        (
            "redeeming-frees-what-documents-should",
            "A contractor takes retained money offline and home again, free.",
            "            case Release() if definition.converts_on_redeem:",
            "            case Release() if False:",
        ),
    )
    + bugs(
        "cbdc/ledger/rules_marks.py",
        RULES,
        (
            "mark-dropped-on-payment",
            "Whoever pays with meal money takes free money out.",
            "                wanted = due\n",
            "                wanted = parts\n",
        ),
        (
            "mark-dropped-at-the-offline-door",
            "Meal money that goes offline comes back free.",
            "    if any(token.mark != mark for token in outputs):",
            "    if False:",
        ),
        (
            "marks-mixed",
            "Two marks go into one payment and one comes out.",
            "    if len(marks) != 1:",
            "    if not marks:",
        ),
        (
            "anybody-marks-money",
            "Anybody prints vouchers in the treasury's name.",
            "        if clause is None:\n",
            "        if False:\n",
        ),
        (
            "definition-through-a-shared-lock",
            "One who only shares a lock with the treasury defines a mark in its name.",
            "if token.lock == own]",
            "if token.lock.holder == signed.record.issuer]",
        ),
        (
            "definition-signed-by-anybody",
            "Anybody defines a mark.",
            "    _verify_by_treasury(case, signed)\n    own",
            "    own",
        ),
        (
            "marked-money-behind-any-lock",
            "Marked money changes hands through a lock that no edge judges.",
            "        if not stays and not isinstance(token.lock, KeyLock):",
            "        if False:",
        ),
        (
            "a-payee-among-the-payers-takes-any-lock",
            "A coin of one's own opens the door to locks that marked money may not have.",
            "stays = identity(payee) in spenders and flow[identity(payee)] <= 0",
            "stays = identity(payee) in spenders",
        ),
        (
            "own-coin-hides-the-share",
            "A payee who adds a coin of his own gets the money without its share or end.",
            "            elif due != {mark: flow[holder]}:",
            "            elif False:",
        ),
        (
            "crowd-is-let-in",
            "One act pays for two works.",
            "    if crowd := crowded(payments):",
            "    if crowd := crowded(payments[:1]):",
        ),
        (
            "nothing-is-used-up",
            "An invoice is paid again and again.",
            "            case.draft.moved[StateKey(COUNTER, name)] += amount\n\n\ndef payments_of",
            "            pass\n\n\ndef payments_of",
        ),
        (
            "any-share-is-marked",
            "A firm marks as little of the tax as it likes.",
            'if amount != share(whole, clause.numerator, clause.denominator, remainder_to="share")[0]:',
            "if amount > whole:",
        ),
        (
            "payee-vouches-without-signing",
            "The payer alone says what he buys.",
            "isinstance(token.lock, KeyLock) and token.lock.kid in case.signers",
            "isinstance(token.lock, KeyLock)",
        ),
        (
            "release-by-anybody",
            "A pupil turns meal money into free money.",
            "    if category not in definition.release_categories or not",
            "    if not",
        ),
        (
            "release-without-a-clause",
            "A holder whom no release clause names frees money on nothing.",
            " or not _has_release(definition, category):",
            ":",
        ),
        (
            "release-beyond-the-evidence",
            "A supplier frees more than the register says it earned.",
            "    if definition.evidence and proven < released:",
            "    if False:",
        ),
        (
            "statement-used-twice",
            "One delivery frees money twice.",
            'case.draft.once(statement.oid, case.transaction.id, "E_STATEMENT_USED")',
            "pass",
        ),
        (
            "statement-signed-by-anybody",
            "A supplier writes its own evidence.",
            "    statement.verify(case.genesis.authority.key(body.register))\n",
            "",
        ),
        (
            "statement-of-somebody-else",
            "A statement about one holder frees another's money.",
            "if (body.register, body.mark, body.holder) != (definition.evidence, mark, pseudonym):",
            "if (body.register, body.mark) != (definition.evidence, mark):",
        ),
        (
            "rest-returns-anywhere",
            "The treasury keeps what the definition gives back to the budget.",
            "        if token.mark or not returns:",
            "        if token.mark:",
        ),
    )
    + bugs(
        "cbdc/ledger/judgement.py",
        RULES,
        (
            "cap-for-each-output",
            "A payment cut into small outputs passes the cap.",
            "        flow[identity(payee)] += token.amount_tiyn",
            (
                "        had = flow[identity(payee)]\n"
                "        flow[identity(payee)] = had + token.amount_tiyn if had < 0 else max(had, token.amount_tiyn)"
            ),
        ),
        (
            "a-coin-of-ones-own-hides-the-payee",
            "Whoever adds a coin to a payment gets marked money past every edge and cap.",
            "paid = {(mark, holder): amount for holder, amount in flow.items() if amount > 0}",
            (
                "paid = {(mark, holder): amount for holder, amount in flow.items() "
                "if amount > 0 and holder not in spenders}"
            ),
        ),
        (
            "papers-for-many",
            "The treasury hands out to many on one paper.",
            "if item.definition.clauses and (named or not item.payment.marking):",
            "if item.definition.clauses and not item.payment.marking:",
        ),
        (
            "two-payees-under-clauses",
            "Lines and documents speak of two payments at once.",
            "if item.definition.clauses and (named or not item.payment.marking):",
            "if item.definition.clauses and named:",
        ),
    ),
)

CLAUSE_KINDS = Field(
    "Clauses",
    bugs(
        "cbdc/clause.py",
        CLAUSES,
        (
            "treasury-bound-by-every-clause",
            "The budget cannot hand money out: clauses for holders bind it too.",
            "else payer_category != TREASURY_CATEGORY",
            "else True",
        ),
        (
            "payees-of-a-scope-not-asked",
            "A clause for one kind of payee binds all.",
            "return by_payer and (not self.payees or payee_category in self.payees)",
            "return by_payer",
        ),
        (
            "a-document-named-twice-counts-twice",
            "Whoever writes an invoice's number twice is paid twice.",
            "    for document in dict.fromkeys(documents):",
            "    for document in documents:",
        ),
        (
            "what-was-used-comes-back",
            "An invoice is never used up.",
            "max(0, allowed - used)",
            "max(0, allowed)",
        ),
        (
            "broken-tiyn-is-freed",
            "A release rounds up, at the cost of what is retained.",
            'remainder_to="rest")[0] if fact else 0',
            'remainder_to="share")[0] if fact else 0',
        ),
        (
            "items-of-a-document-never-used-up",
            "One line of an invoice is paid again and again, within the invoice's sum.",
            "max(0, allowed - known.used(name))",
            "max(0, allowed)",
        ),
        (
            "taken-back-still-stands",
            "A licence that was taken back still counts.",
            "    if not fact.standing:",
            "    if False:",
        ),
        (
            "fact-expires-a-second-late",
            "A licence counts a second after its end.",
            'return "it has expired" if now > fact.expires else ""',
            'return "it has expired" if now > fact.expires + 1 else ""',
        ),
        (
            "pair-the-other-way-round",
            "A contract of payer with payee stands for one of payee with payer.",
            'return payment.payee.pseudonym, payment.payer.pseudonym if about == PAIR else b""',
            'return payment.payer.pseudonym, payment.payee.pseudonym if about == PAIR else b""',
        ),
        (
            "lines-need-not-add-up",
            "Wine is bought as what is not on the list.",
            "    if sum(line.amount_tiyn for line in payment.lines) != payment.amount_tiyn:",
            "    if False:",
        ),
        (
            "lines-nobody-vouches-for",
            "The payer alone says what he buys, and says milk.",
            'return "" if payment.vouched else "the payee did not sign it"',
            'return ""',
        ),
        (
            "week-begins-on-thursday",
            "A week's limit begins anew on Thursday.",
            "        return (days + 3) // 7",
            "        return days // 7",
        ),
        (
            "month-begins-late",
            "The first of January belongs to the old year.",
            "civil = era * 400 + year + (month > 12)",
            "civil = era * 400 + year",
        ),
    )
    + bugs(
        "cbdc/clauses.py",
        CLAUSES,
        (
            "document-above-its-sum",
            "A payment is one tiyn above its invoice.",
            "        if left < payment.amount_tiyn:",
            "        if left + 1 < payment.amount_tiyn:",
        ),
        (
            "same-lines-without-lines",
            "Whoever names no lines need not keep to the invoice's.",
            (
                "            problem = basket_problem(payment)\n            if problem:\n"
                '                return self.refuse("E_MARK_BASKET", problem=problem)\n            for'
            ),
            "            for",
        ),
        (
            "document-that-does-not-stand",
            "An invoice that was taken back pays.",
            "        good = standing(found, payment.now)\n",
            "        good = [item for item in found if item.fact]\n",
        ),
        (
            "goods-at-the-end-of-a-range",
            "The last item of a range is not in it.",
            "any(first <= line.item <= last for first, last in self.ranges)",
            "any(first <= line.item < last for first, last in self.ranges)",
        ),
        (
            "price-for-all-pieces",
            "Two litres of milk may cost no more than one.",
            "line.amount_tiyn > cap * line.quantity:",
            "line.amount_tiyn > cap:",
        ),
        (
            "estimate-never-spent",
            "A line of the estimate is paid again and again.",
            "            if spent[item] + amount > sums[item]:",
            "            if amount > sums[item]:",
        ),
        (
            "cap-of-a-clause-off-by-one",
            "A payment is one tiyn above the clause's cap.",
            "        if payment.amount_tiyn > self.cap_tiyn:",
            "        if payment.amount_tiyn > self.cap_tiyn + 1:",
        ),
        (
            "period-never-counted",
            "A month's limit holds for each payment.",
            "total = known.used(name) + payment.amount_tiyn",
            "total = payment.amount_tiyn",
        ),
        (
            "period-of-the-other-side",
            "A payee's limit is counted for the payer.",
            "PAYEE: payment.payee.pseudonym,",
            "PAYEE: payment.payer.pseudonym,",
        ),
        (
            "window-closes-late",
            "A payment passes a second after the window closed.",
            "        if not self.valid_from <= payment.now <= self.valid_until:",
            "        if not self.valid_from <= payment.now <= self.valid_until + 1:",
        ),
        (
            "broken-tiyn-of-the-tax",
            "Small payments pay no tax.",
            'clause.numerator, clause.denominator, remainder_to="share")[0])',
            'clause.numerator, clause.denominator, remainder_to="rest")[0])',
        ),
        (
            "release-above-the-whole-is-defined",
            "A definition frees more than its documents prove.",
            "case Share() | Marks() | Release() if clause.numerator > clause.denominator:",
            "case Share() | Marks() if clause.numerator > clause.denominator:",
        ),
    )
    + bugs(
        "cbdc/ledger/rules_institutions.py",
        CLAUSES,
        (
            "two-registers-speak",
            "Whose word it was cannot be told.",
            "    if len(registers) != 1:",
            "    if not registers:",
        ),
    ),
)

FIELDS = (MARKS, CLAUSE_KINDS)
