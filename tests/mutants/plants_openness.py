"""Bugs in what an outsider checks: the auditor far away, the fold, and the file of a journal."""

from tests.mutants.plant import Field, bugs

FOLLOWER = ("tests/cbdc/test_follower.py",)
AUDIT = ("tests/cbdc/test_audit.py", "tests/cbdc/test_audit_state.py")
FOLD = ("tests/cbdc/test_fold.py", "tests/cbdc/test_journal_vectors.py")

PLAIN = ("tests/cbdc/test_fold_plain.py",)
SIGNED = ("tests/cbdc/test_signed_form.py",)
ROWS = ("tests/cbdc/test_rows.py",)

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
        *bugs(
            "cbdc/ledger/fold_plain.py",
            PLAIN,
            (
                "time-may-fall-on-the-short-way",
                "A plain transfer that was dated back passes the audit.",
                "            if type(one) is int or time < last_time:",
                "            if type(one) is int:",
                FOLD,
            ),
            (
                "numbers-that-do-not-add-up",
                "A ledger takes money from a payment on the way, and the audit's numbers agree.",
                "            if _spent(rows, spends, payer.tail) != total:",
                "            if _spent(rows, spends, payer.tail) < total:",
            ),
            (
                "another-persons-token",
                "Who signs alone spends a token of somebody else.",
                "            if token[-TAIL_BYTES:] != tail:",
                "            if not token:",
            ),
            (
                "an-inventory-that-never-empties",
                "What a bank sells stays in its line of the supply table.",
                "                lines[payer.line] = lines.get(payer.line, 0) - amount",
                "                lines[payer.line] = lines.get(payer.line, 0)",
            ),
        ),
        *bugs(
            "cbdc/ledger/reading.py",
            PLAIN,
            (
                "one-signature-of-several-is-enough",
                "A payment that one of its signers did not sign passes the audit.",
                "            if bits != (1 << count) - 1:",
                "            if not bits:",
            ),
            (
                "a-reader-trusts-ids",
                "A payment is found under the id of another, and no process looks.",
                "            if identity == ids[place * HASH_BYTES : (place + 1) * HASH_BYTES]:",
                "            if identity:",
            ),
        ),
        *bugs(
            "cbdc/ledger/entry_form.py",
            PLAIN,
            (
                "lengths-are-not-compared",
                "An entry whose lengths lie is taken for a canonical one.",
                "    if payload_length != _LENGTHS[payload_bytes] or body_length != _LENGTHS[len(body)]:",
                "    if payload_length[:1] != _LENGTHS[payload_bytes][:1]:",
            ),
        ),
        *bugs(
            "cbdc/ledger/rows.py",
            AUDIT,
            (
                "rows-that-are-gone-are-not-counted",
                "A token deleted by hand is not missed, because every row that is left is right.",
                "        return count == self._count()",
                "        return count > 0",
            ),
            (
                "a-row-may-come-twice",
                "A store shows a token twice and hides another, and the number of rows is right.",
                "    return last < keys[0] and all(map(lt, keys, keys[1:]))",
                "    return True",
                ROWS,
            ),
            (
                "a-mark-is-taken-for-a-holder",
                "A marked token is listed under a holder who does not exist.",
                "        plain = self._database is None and self._odd.isdisjoint(keys)",
                "        plain = self._database is None",
                ROWS,
            ),
        ),
        *bugs(
            "cbdc/ledger/signed_form.py",
            SIGNED,
            (
                "signatures-of-other-bytes",
                "A transaction's bytes are changed, and its signatures are still said to stand.",
                "    return form if known and _encode(form) == payload else None",
                "    return form if known else None",
            ),
        ),
    ),
)

FIELDS = (AUDITORS,)
