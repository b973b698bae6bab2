"""Bugs in signed calls, logs, draining and backups."""

from tests.mutants.plant import Field, bugs

OPERATIONS = Field(
    "Running a server",
    bugs(
        "cbdc/http/signed_calls.py",
        ("tests/cbdc/test_signed_calls.py",),
        (
            "call-from-before",
            "A call that was signed before the server began is taken: nobody remembers whether it was taken then.",
            "        if claim.expires < now or claim.created < self._since:",
            "        if claim.expires < now:",
        ),
        (
            "anothers-bank",
            "A bank asks in another bank's name.",
            "    if certificate.role == BANK and certificate.scope[:1] != (bank_id,):",
            "    if certificate.role == BANK and not certificate.scope:",
        ),
    )
    + bugs(
        "cbdc/http/signed_calls.py",
        ("tests/cbdc/test_call_nonces.py",),
        (
            "call-for-another-server",
            "A server takes a call that was signed for another one.",
            "        if not self._knows(message.authority):",
            "        if not message.authority:",
        ),
    )
    + bugs(
        "cbdc/http/call_nonces.py",
        ("tests/cbdc/test_call_nonces.py",),
        (
            "nonces-end-with-the-process",
            "A call that was taken is not in the file: after a restart it is taken again.",
            'self._file.execute("COMMIT")',
            'self._file.execute("ROLLBACK")',
        ),
        (
            "clock-set-back",
            "A clock that was set back lets in what has been forgotten.",
            "        if expires <= forgotten:",
            "        if expires < 0:",
        ),
    )
    + bugs(
        "cbdc/operations/clock_guard.py",
        ("tests/cbdc/test_clock_guard.py",),
        (
            "clock-years-ahead",
            "A clock that is years ahead dates entries once it was refused once.",
            '            raise Unavailable("E_CLOCK_STEP"',
            '            self._last = found\n            raise Unavailable("E_CLOCK_STEP"',
        ),
    )
    + bugs(
        "cbdc/operations/rotation.py",
        ("tests/cbdc/test_rotation.py",),
        (
            "back-to-an-old-key",
            "A ledger goes back to a key that was left.",
            "    if to < present:",
            "    if to < 1:",
        ),
    )
    + bugs(
        "cbdc/hsm_file.py",
        ("tests/cbdc/test_hsm_file.py",),
        (
            "misspelt-key-is-software",
            "A misspelt label in the file of keys leaves that key in software, and nobody is told.",
            "        if not _LABEL.fullmatch(label):",
            "        if not label:",
        ),
    )
    + bugs(
        "cbdc/operations/journal_backup.py",
        ("tests/cbdc/test_journal_backup.py",),
        (
            "another-ledgers-store",
            "A restore writes behind the entries of another ledger.",
            "    if not _agree(journal, store, already):",
            "    if not already and not _agree(journal, store, already):",
        ),
        (
            "restored-on-its-word",
            "What an engine holds after a restore is not audited.",
            "    if not proved.ok:",
            "    if not proved.entries:",
        ),
    )
    + bugs(
        "cbdc/operations/backup.py",
        ("tests/cbdc/test_backup.py",),
        (
            "backup-believed",
            "A restored file need not be what the manifest says.",
            '    if left or seen.hexdigest() != row["sha256"]:',
            "    if left:",
        ),
    ),
)

ROLES = Field(
    "Front ends and a writer",
    bugs(
        "cbdc/http/fronts.py",
        ("tests/roles/test_fronts.py",),
        (
            "batch-of-another-network",
            "A writer takes a batch that names another network.",
            "    if named != network:",
            "    if named == b'':",
        ),
    )
    + bugs(
        "cbdc/http/writers.py",
        ("tests/roles/test_fronts.py",),
        (
            "busy-after-unknown",
            "A full writer's refusal is passed on although a try before it may have booked something.",
            "                if busy and not unknown:",
            "                if busy:",
        ),
        (
            "front-stays-with-the-gone",
            "A front asks the writer that is gone again and again.",
            "                self._place = (place + 1) % len(self._ways)",
            "                self._place = place",
        ),
    ),
)

SLIPS = Field(
    "Attacks and slips around roles, backups and archives",
    bugs(
        "cbdc/http/server.py",
        ("tests/attacks/test_roles.py",),
        (
            "front-asks-a-decoded-path",
            "A path that cannot be sent moves a front away from its writer, for everybody.",
            "            path = urllib.parse.quote(request.path) +",
            "            path = request.path +",
        ),
    )
    + bugs(
        "cbdc/operations/whole_file.py",
        ("tests/attacks/test_backups.py",),
        (
            "backup-over-a-backup",
            "Of two backups to one file the second writes over the first.",
            "        os.link(packed, file)",
            "        os.replace(packed, file)",
        ),
    )
    + bugs(
        "cbdc/ledger/journal_archive.py",
        ("tests/wallets/test_cli_archive.py",),
        (
            "anothers-segment-for-ones-own",
            "A segment is removed although the archive's file of that name is another ledger's.",
            "    return archive.size(name) == size and all(",
            "    return archive.size(name) == size or all(",
        ),
    )
    + bugs(
        "cbdc/http/call_nonces.py",
        ("tests/cbdc/test_call_nonces.py",),
        (
            "forgotten-until-now",
            "One call under a clock that was ahead keeps every institution out until that moment.",
            "            self._file.execute(kept, (last, last))",
            "            self._file.execute(kept, (now, now))",
        ),
    ),
)

FIELDS = (OPERATIONS, ROLES, SLIPS)
