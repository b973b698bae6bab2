"""Bugs in the ledger's writer, its log, its stores, and the audit."""

from tests.mutants.plant import Field, bugs

GAP = "tests/cbdc/test_gap_ledger.py"
LEDGER = ("tests/cbdc/test_ledger.py", "tests/cbdc/test_ledger_opening.py")
ENTRIES = ("tests/cbdc/test_entry.py", GAP, *LEDGER)
AUDIT = ("tests/cbdc/test_audit.py", "tests/cbdc/test_audit_state.py")
STORES = ("tests/contracts/test_store.py", GAP)
INDEXES = ("tests/contracts/test_store_sqlite_indexes.py",)

WRITER = Field(
    "The writer, the log and the stores",
    bugs(
        "cbdc/ledger/ledger.py",
        LEDGER,
        (
            "journal-time-falls",
            "A clock put back lets yesterday's limits and marks count again.",
            "max(self._last_time, self._clock.now())",
            "self._clock.now()",
        ),
        (
            "group-commit-split",
            "A group is many commits, and a crash leaves a part of it.",
            (
                "        for start in range(0, len(transactions), MAX_GROUP):\n"
                "            results += self.settle("
                "[self.open(data) for data in transactions[start : start + MAX_GROUP]])"
            ),
            (
                "        for start in range(len(transactions)):\n"
                "            results += self.settle("
                "[self.open(data) for data in transactions[start : start + 1]])"
            ),
        ),
        (
            "head-over-the-size-before",
            "The signed head does not cover what was just accepted.",
            "head = sign(LogHead(self._log.size, self._log.root(), group.now)",
            "head = sign(LogHead(before, self._log.root(before), group.now)",
        ),
        (
            "failed-commit-stays-in-the-log",
            "The next head covers entries that were never written.",
            "            self._log.truncate(before)\n            self._stale = True\n",
            "",
        ),
        (
            "failed-commit-not-looked-after",
            "A commit that succeeded after all is written a second time.",
            "            self._stale = True\n",
            "",
        ),
        (
            "repetition-is-a-new-entry",
            "A wallet that asks again is told that its own payment spent the money.",
            "        known = self._store.find([identity for identity in ids if identity is not None])",
            "        known: dict[bytes, int] = {}",
        ),
        (
            "refusal-sticks-to-the-id",
            "A forged copy in a group makes the true payment fail.",
            "                answers[-1] = error",
            "                answers[-1] = error\n                places[identity] = 0",
        ),
        (
            "head-not-verified-on-opening",
            "A journal changed on the disk is taken up and signed again.",
            "        if head.record != expected or entry.index != log.size - 1:",
            "        if False:",
        ),
        (
            "anybody-opens-the-ledger",
            "A key that ROOT never certified signs heads.",
            "        self._require_ledgers_key()\n",
            "        pass\n",
        ),
    )
    + bugs(
        "cbdc/ledger/group.py",
        LEDGER,
        (
            "group-does-not-see-itself",
            "Two payments of one group spend one token.",
            "        self._rows.update(effects)\n",
            "",
        ),
    )
    + bugs(
        "cbdc/ledger/entry.py",
        ENTRIES,
        (
            "leaves-without-their-prefix",
            "No other program of RFC 6962 can check the log.",
            'return hashlib.sha256(b"\\0" + entry).digest()',
            "return hashlib.sha256(entry).digest()",
        ),
        (
            "inclusion-proves-anything",
            "Any receipt is shown to be in any log.",
            "    if last != 0 or node != root:",
            "    if last != 0:",
        ),
        (
            "consistency-without-the-old-root",
            "A rewritten history passes for a longer one.",
            "    if last != 0 or first != old_root or second != new_root:",
            "    if last != 0 or second != new_root:",
        ),
        (
            "head-signed-by-a-retired-key",
            "A ledger's key signs heads after its certificate has ended.",
            "            if auth.not_before <= head.record.time <= auth.expires:",
            "            if auth.not_before <= head.record.time:",
        ),
        (
            "policy-not-signed",
            "Whoever writes the genesis writes the limits.",
            "    policy.verify(root.record.key)\n",
            "",
        ),
        (
            "day-begins-in-greenwich",
            "The day limit starts anew in the middle of a Kazakh night.",
            "        return (now + self.day_offset_seconds) // 86_400",
            "        return now // 86_400",
        ),
    )
    + bugs(
        "cbdc/ledger/sqlite.py",
        STORES,
        (
            "commit-over-another-writer",
            "Two writers put two histories into one file.",
            "                    commit.check(pending.size)\n",
            "",
        ),
        (
            "half-a-commit-stays",
            "A crash in the middle of a commit leaves its first half.",
            '                        self._database.execute("ROLLBACK")',
            '                        self._database.execute("COMMIT")',
        ),
        (
            "spent-tokens-stay-in-the-owner-index",
            "A wallet is shown money that is gone.",
            "        write_rows(self._database, words.DROP_OWNER, rest)\n",
            "",
        ),
        (
            "another-writers-entries-unseen",
            "Two programs over one file: what the other wrote is found no more.",
            "        if pending is not None and pending.size == size:\n",
            "        if pending is not None:\n",
            INDEXES,
        ),
        (
            "failed-commit-called-undone",
            "The disk failed while it took a commit; it is called undone, and stands after a restart.",
            'raise Unavailable("E_STORE_OUTCOME", detail=unavailable(error)',
            'raise Unavailable("E_STORE_UNAVAILABLE", detail=unavailable(error)',
            ("tests/contracts/test_store_sqlite.py",),
        ),
        (
            "commit-not-durable",
            "A power cut takes back what the ledger has answered.",
            'self._database.execute("PRAGMA synchronous = FULL")',
            'self._database.execute("PRAGMA synchronous = OFF")',
        ),
    )
    + bugs(
        "cbdc/ledger/sqlite_rows.py",
        STORES,
        (
            "rows-of-a-group-lost",
            "Of a group only the first payments of each piece are kept.",
            "        while count - start >= size:",
            "        if count - start >= size:",
        ),
    )
    + bugs(
        "cbdc/ledger/sqlite.py",
        ("tests/contracts/test_store_sqlite_folding.py",),
        (
            "file-written-after-it-was-closed",
            "A ledger that was closed for a copy still changes its file.",
            "        self._folding.end()\n",
            "",
        ),
    )
    + bugs(
        "cbdc/ledger/sqlite_schema.py",
        STORES,
        (
            "last-head-for-every-entry",
            "A receipt changes each time it is asked for.",
            "WHERE size > ? ORDER BY size LIMIT 1",
            "WHERE size > ? ORDER BY size DESC LIMIT 1",
        ),
    )
    + bugs(
        "cbdc/ledger/sqlite_pending.py",
        INDEXES,
        (
            "index-called-written-too-early",
            "After a sudden death an accepted payment is not found, and is booked a second time.",
            "found.merged, self._walk_began = self._walk_began, self.size",
            "found.merged = self.size",
        ),
        (
            "spent-numbers-stay-in-the-index",
            "The index of a busy wallet grows for ever, and its list takes longer every day.",
            "        if not waited or number >> OUTPUT_BITS < self._read:\n",
            "        if False:\n",
        ),
    ),
)

AUDITING = Field(
    "The audit",
    bugs(
        "cbdc/ledger/audit.py",
        AUDIT,
        (
            "audit-skips-owner-rows",
            "A holder's money is hidden by hand and nobody notices.",
            '        (rows.owners, store.owner_rows, "E_AUDIT_OWNER"),\n',
            "",
        ),
        (
            "audit-misses-rows-that-are-gone",
            "A token deleted by hand is not missed.",
            "        yield key\n",
            "        if other is not None and other[0] == key:\n            yield key\n",
        ),
        (
            "audit-misses-rows-that-came",
            "A token added by hand is not noticed.",
            "        yield key\n",
            "        if one is not None and one[0] == key:\n            yield key\n",
        ),
        (
            "audit-takes-unsigned-heads",
            "Heads that nobody signed count.",
            "    genesis.verify_head(head)\n    return",
            "    return",
        ),
        (
            "audit-trusts-the-roots-of-heads",
            "A head about another history counts.",
            "if size != kept_under or size > log.size or log.root(size) != root:",
            "if size != kept_under or size > log.size:",
        ),
        (
            "audit-misses-an-uncovered-tail",
            "Entries that no head covers are called right.",
            "    if last != log.size:",
            "    if last > log.size:",
        ),
        (
            "audit-misses-a-cut-tail",
            "Entries are cut off and the head kept elsewhere says nothing.",
            '        if size > log.size:\n            raise Refused("E_AUDIT_TAIL"',
            '        if False:\n            raise Refused("E_AUDIT_TAIL"',
        ),
        (
            "audit-misses-a-fork",
            "A second history passes beside the head kept elsewhere.",
            '        if log.root(size) != head.record.root:\n            raise Refused("E_AUDIT_FORK"',
            '        if False:\n            raise Refused("E_AUDIT_FORK"',
        ),
        (
            "audit-misses-a-second-time",
            "Two heads of one size and two times, both signed, pass beside each other.",
            "        if head.record.time not in heads[size]:",
            "        if False:",
        ),
        (
            "audit-trusts-leaves",
            "A changed entry passes as long as its leaf was left alone.",
            'Refused("E_AUDIT_LEAF", index=start + place) for place in unit.odd',
            'Refused("E_AUDIT_LEAF", index=start + place) for place in ()',
        ),
        (
            "audit-believes-the-supply-counters",
            "Wrong totals pass, because they were counted by the code that is audited.",
            "    if issued - redeemed != sum(counted.values()):",
            "    if False:",
        ),
        (
            "audit-takes-any-root",
            "Another central bank's ledger passes.",
            "    if root is not None and result.genesis.authority.root.encode() != root:",
            "    if False:",
        ),
    ),
)

FIELDS = (WRITER, AUDITING)
