"""Bugs in evidence and in the graph of what happened offline."""

from tests.mutants.plant import Field, bugs

GAP = "tests/offline/test_gap_centre.py"
EVIDENCE = ("tests/offline/test_evidence.py", "tests/offline/test_vectors.py", GAP)
GRAPH = ("tests/offline/test_graph.py",)
RECONCILE = (
    "tests/offline/test_reconcile.py",
    "tests/offline/test_reconcile_sync.py",
    "tests/offline/test_reconcile_crash.py",
)
SETTLE = ("tests/offline/test_settle.py", "tests/offline/test_settle_claims.py", GAP)

PROOFS = Field(
    "Evidence",
    bugs(
        "offline/evidence.py",
        EVIDENCE,
        (
            "one-transfer-is-a-double-spend",
            "Two signatures over one payment convict an honest device.",
            "    if first.oid == second.oid:",
            "    if False:",
        ),
        (
            "another-keys-signature-convicts",
            "Anybody writes the transfers that convict a device.",
            "    transfer.verify(certificate.record.key)\n",
            "",
        ),
        (
            "another-payer-convicts",
            "A signature under another's name is an offence.",
            "    if transfer.record.payer != certificate.record.kid:",
            "    if False:",
        ),
        (
            "payment-and-change-are-a-double-spend",
            "Spending two outputs of one transfer convicts a device.",
            "    if first.record.outpoint != second.record.outpoint:",
            "    if first.record.outpoint[0] != second.record.outpoint[0]:",
        ),
        (
            "two-files-for-one-pair",
            "One offence is counted twice.",
            "    if first.oid > second.oid:",
            "    if False:",
        ),
        (
            "any-two-transfers-equivocate",
            "Two ordinary payments convict a device.",
            "    if not same_counter and first.record.link != second.record.link:",
            "    if False:",
        ),
        (
            "renewal-convicts-a-bank",
            "A bank that renews a certificate is guilty.",
            "    if (one.algorithm, one.public_key) == (other.algorithm, other.public_key):",
            "    if False:",
        ),
        (
            "uncertified-device-convicted",
            "A certificate that no bank signed convicts.",
            "    check_certificate_issue(certificate, authority)\n",
            "",
        ),
        (
            "parent-of-another-transfer",
            "A transfer is judged against an object that it does not follow.",
            "    if transfer.record.previous != parent.oid:",
            "    if False:",
        ),
        (
            "the-deceived-are-convicted",
            "Who was handed a redemption dressed as a payment is guilty.",
            "        # spend is not admitted, and that is all.\n        return None",
            "        # spend is not admitted, and that is all.\n        pass",
        ),
        (
            "rightly-made-transfer-convicts",
            "Any transfer is a bad statement.",
            "    if broken is None:",
            "    if False:",
        ),
    ),
)

TREES = Field(
    "The graph",
    bugs(
        "offline/graph.py",
        GRAPH,
        (
            "only-two-branches-of-a-fork",
            "The third spend of one coin costs nobody anything.",
            "        return len(self.transfers) + self.claimed - 1",
            "        return min(1, len(self.transfers) + self.claimed - 1)",
        ),
        (
            "late-at-the-last-moment",
            "A transfer that comes in the last second is refused.",
            "                if moment > self.closes:",
            "                if moment >= self.closes:",
        ),
        (
            "late-transfers-count",
            "Money that was refunded is paid once more.",
            "                if moment > self.closes:",
            "                if False:",
        ),
        (
            "early-child-of-a-late-parent",
            "A payment counts although what it spends came too late.",
            "                moment = max(since, seen.arrived(child.oid), certified)",
            "                moment = max(seen.arrived(child.oid), certified)",
        ),
        (
            "certificate-at-any-time",
            "A payment counts although nobody could verify it in time.",
            "                moment = max(since, seen.arrived(child.oid), certified)",
            "                moment = max(since, seen.arrived(child.oid))",
        ),
        (
            "redeemed-money-floats-on",
            "What was redeemed is still unspent.",
            "            first = 1\n",
            "            first = 0\n",
        ),
        (
            "claims-not-counted-as-spends",
            "Undelivered money is credited and spent.",
            "        if undelivered is not None and undelivered <= self.closes:",
            "        if False:",
        ),
        (
            "broken-transfers-admitted",
            "What breaks the rules moves money all the same.",
            "                if code:\n",
            "                if False:\n",
        ),
        (
            "claimed-and-spent-is-innocent",
            "A device that took its refund and spent the money is not guilty.",
            "        if conflict.claimed:",
            "        if False:",
        ),
    )
    + bugs(
        "offline/seen.py",
        GRAPH,
        (
            "last-signature-stays",
            "Two centres with the same evidence have different sets.",
            "        if signed.signature < known.signature:",
            "        if signed.signature != known.signature:",
        ),
        (
            "last-arrival-stays",
            "Handing in a payment again makes it late.",
            "        if arrived < self._arrived[signed.oid]:",
            "        if arrived > self._arrived[signed.oid]:",
        ),
        (
            "second-spend-not-remembered",
            "Nobody is ever guilty of a double spend.",
            "    if len(same) > 1:",
            "    if len(same) > 2:",
        ),
        (
            "last-revocation-counts",
            "Who could know of a revocation is paid.",
            "        return min(numbers, default=None)",
            "        return max(numbers, default=None)",
            (*GRAPH, *SETTLE, *RECONCILE),
        ),
    )
    + bugs(
        "offline/statements.py",
        (*GRAPH, *RECONCILE),
        (
            "claim-of-an-open-invoice",
            "Money is credited that its payee may still accept.",
            "            if request.record.invoice_number >= invoice.record.invoice_number\n",
            "",
        ),
        (
            "claim-of-somebody-elses-invoice",
            "An invoice of one device takes back another's money.",
            "        if invoice is None or invoice.record.payee != payee:",
            "        if invoice is None:",
        ),
        (
            "claim-of-what-is-held",
            "Money in a purse is credited a second time.",
            "        if _in_purse(record, outpoint):",
            "        if False:",
        ),
        (
            "claim-of-what-was-spent",
            "Money that was accepted and spent is credited a second time.",
            "            if spend.record.counter <= record.counter:\n                return None",
            "            if False:\n                return None",
        ),
        (
            "log-complete-with-a-gap",
            "A device hides payments and gets new limits.",
            "        if reached != left:\n            return None\n",
            "",
        ),
        (
            "falling-counter-is-no-contradiction",
            "A device rolled back to an old state goes unnoticed.",
            "    if later.counter < earlier.counter:",
            "    if False:",
        ),
        (
            "falling-totals-are-no-contradiction",
            "A device that forgot payments goes unnoticed.",
            "    if any(getattr(later, name) < getattr(earlier, name) for name in rising):",
            "    if False:",
        ),
    )
    + bugs(
        "offline/live.py",
        ("tests/offline/test_reconcile_machine.py", *RECONCILE, *SETTLE),
        (
            "child-before-parent-forgotten",
            "A payment that came before its parent never counts.",
            "                queue += self.seen.children(step.oid)",
            "                pass",
        ),
        (
            "late-invoice-changes-nothing",
            "A claim that waits for its invoice waits for ever.",
            "            self._mark_roots(self._referring[signed.oid])",
            "            pass",
        ),
        (
            "revocation-changes-nothing",
            "Money of a device just revoked is judged as before.",
            "                ):\n                    self._dirty |= notes",
            "                ):\n                    pass",
            (*RECONCILE, *SETTLE),
        ),
    ),
)

FIELDS = (PROOFS, TREES)
