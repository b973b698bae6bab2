"""Bugs in what an outsider checks: the auditor far away, the fold, and the file of a journal."""

from tests.mutants.plant import Field, bugs

FOLLOWER = ("tests/cbdc/test_follower.py",)
AUDIT = ("tests/cbdc/test_audit.py", "tests/cbdc/test_audit_state.py")
FOLD = ("tests/cbdc/test_fold.py", "tests/cbdc/test_journal_vectors.py")

AUDITORS = Field(
    "Auditors of their own",
    (
        *bugs(
            "cbdc/http/follower.py",
            FOLLOWER,
            (
                "an-older-head-is-no-rollback",
                "A server hides the last payments by showing an older head, and the auditor believes it.",
                "        if new.size < old.size:",
                "        if new.size < 0:",
            ),
            (
                "a-page-is-not-shown-to-be-signed",
                "The auditor replays entries that are not those that the ledger signed.",
                "            check_consistency(log.size, log.root(), shown.record.size, shown.record.root, proof)",
                "            _ = (log, proof)",
            ),
            (
                "a-receipt-for-another-transaction",
                "A payment vanishes, and its holder's receipt is taken for right.",
                "        if self._mirror.placed(receipt.index) != (receipt.transaction_id, receipt.time):",
                "        if self._mirror.placed(receipt.index) is None:",
            ),
        ),
        *bugs(
            "cbdc/ledger/fold.py",
            FOLD,
            (
                "time-may-fall-on-the-short-way",
                "A plain transfer that was dated back passes the audit.",
                "            if row.index != size or row.transaction_id != plain.id or time < last_time:",
                "            if row.index != size or row.transaction_id != plain.id:",
            ),
            (
                "a-register-speaks-twice",
                "A ledger brings back what a register took back, by what it said before.",
                "        if not opened.record.spends and self.rows.get(key) is not None:",
                "        if False:",
                AUDIT,
            ),
            (
                "audit-lets-time-fall",
                "A journal with moments out of order is called right.",
                '        if time < self.last_time:\n            raise Refused("E_AUDIT_TIME"',
                '        if False:\n            raise Refused("E_AUDIT_TIME"',
                AUDIT,
            ),
            (
                "audit-trusts-ids",
                "An entry is found under the id of another.",
                "            if opened.id != row.transaction_id:\n                raise",
                "            if False:\n                raise",
                AUDIT,
            ),
        ),
    ),
)

FIELDS = (AUDITORS,)
