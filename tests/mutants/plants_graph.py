"""Bugs in the graph of what happened offline, and in what follows from it."""

from tests.mutants.plant import Field, bugs

GAP = "tests/offline/test_gap_centre.py"
COURT = ("tests/offline/test_accused.py", "tests/offline/test_prosecution.py")
GRAPH = ("tests/offline/test_graph.py",)
RECONCILE = (
    "tests/offline/test_reconcile.py",
    "tests/offline/test_reconcile_sync.py",
    "tests/offline/test_reconcile_crash.py",
)
SETTLE = ("tests/offline/test_settle.py", "tests/offline/test_settle_claims.py", GAP)

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
            "        if taken is not None:",
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
            "        if held_tiyn(record, outpoint) is not None:\n            return None",
            "        if False:\n            return None",
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
            "neighbours-that-do-not-fit-are-no-proof",
            "A clone of which one branch is hidden goes unnoticed.",
            "        return found + self._broken_log(kid)",
            "        return found",
            COURT,
        ),
        (
            "limits-of-one-certificate",
            "A device that was given looser limits is guilty.",
            "        limits = loosest(one.record.limits for one in certificates)",
            "        limits = certificates[0].record.limits",
            COURT,
        ),
        (
            "a-breach-once-found-stands",
            "A looser certificate that comes late does not clear a device.",
            "        key = (request.oid, bound.oid, len(certificates))",
            "        key = (request.oid, bound.oid, 0)",
            COURT,
        ),
        (
            "only-the-first-list-is-asked",
            "An invoice under an old list goes unnoticed after one under a new.",
            "        for invoice in self._seen.last_invoices(kid):",
            "        for invoice in self._seen.last_invoices(kid)[-1:]:",
            COURT,
        ),
    )
    + bugs(
        "offline/evidence_device.py",
        (*GRAPH, *RECONCILE),
        (
            "falling-counter-is-no-contradiction",
            "A device rolled back to an old state goes unnoticed.",
            "    if later.counter < earlier.counter:",
            "    if False:",
        ),
        (
            "falling-totals-are-no-contradiction",
            "A device that forgot payments goes unnoticed.",
            "    if any(getattr(later, name) < getattr(earlier, name) for name in RISING):",
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
        (
            "cleared-and-still-guilty",
            "A device that a late certificate cleared stays blocked.",
            "                self._self_accused.discard(kid)",
            "                pass",
            COURT,
        ),
        (
            "answers-accuse-nobody",
            "Payments past the limits go unnoticed when settlement's answer is taken up last.",
            "        elif isinstance(record, SyncAck):\n            self._accused.add(record.kid)",
            "        elif isinstance(record, SyncAck):\n            pass",
            COURT,
        ),
    ),
)

FIELDS = (TREES,)
