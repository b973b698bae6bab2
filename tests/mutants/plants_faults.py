"""Bugs that only bad hardware or a sudden death shows: in the engines, and in what the ledger makes of a failure."""

from tests.mutants.plant import Field, bugs

LIVES = ("tests/faults/test_simulation.py",)
DEAD = ("tests/faults/test_dead_process.py",)
FAILURES = ("tests/faults/test_store_failures.py",)
REAL = ("tests/faults/test_real_disk.py",)
CHECKING = ("tests/contracts/test_store_sqlite_checking.py",)
BITS = ("tests/faults/test_bits.py",)

SUDDEN = Field(
    "Bad hardware and sudden death",
    bugs(
        "cbdc/ledger/sqlite.py",
        LIVES,
        (
            "acknowledged-before-the-sync",
            "A power cut takes payments whose payees hold receipts.",
            '"PRAGMA synchronous = FULL"',
            '"PRAGMA synchronous = NORMAL"',
        ),
        (
            "dead-processes-log-believed",
            "What a dead process never got onto the disk is acknowledged by the next one, and lost with the power.",
            "            keep_log(self.path",
            "            (lambda path: None)(self.path",
            DEAD,
        ),
        (
            "commit-into-a-deleted-file",
            "Payments are acknowledged into a file that nobody will ever find.",
            "        if not there or there != self._place:",
            "        if False:",
            REAL,
        ),
    )
    + bugs(
        "cbdc/ledger/sqlite_checking.py",
        BITS,
        (
            "broken-index-not-looked-at",
            "The audit is content, and the same id gets another answer.",
            "    if indexed and any(",
            "    if False and any(",
        ),
        (
            "an-older-moment-believed",
            "An audit compares the journal of now with the rows of a while ago, and tells of damage that is none.",
            "        if self._found is None or self._found[0] != self._size():",
            "        if self._found is None:",
            CHECKING,
        ),
        (
            "counters-that-are-numbers-believed",
            "The audit is content with a file of which the ledger cannot read a counter.",
            "    if not _BYTES_OR_NONE.issuperset(",
            "    if False and not _BYTES_OR_NONE.issuperset(",
            CHECKING,
        ),
        (
            "another-file-believed",
            "The audit reads the file that took the place of the damaged one, which the store goes on with.",
            "not before == file_id(self._path) == self._file:",
            "False:",
            CHECKING,
        ),
        (
            "rows-that-were-not-read-hold-the-log",
            "After an audit of a living ledger its write-ahead log grows until the process ends.",
            "        found, self._found, self._pages = self._found, None, iter(())",
            "        found = None",
            CHECKING,
        ),
    )
    + bugs(
        "cbdc/ledger/journal_log.py",
        LIVES,
        (
            "journal-acknowledges-before-the-sync",
            "The journal answers while its last commit is still on its way to the disk.",
            "            synced = True\n            self._file.sync()\n",
            "            synced = True\n",
        ),
        (
            "last-commit-not-written-again",
            "A commit whose sync failed is taken over from the cache, acknowledged, and gone after a power cut.",
            "            file.append(data)\n            file.sync()\n        finally",
            "            file.sync()\n        finally",
            DEAD,
        ),
    )
    + bugs(
        "cbdc/ledger/journal_frames.py",
        BITS,
        (
            "damage-in-the-middle-cut-off",
            "One bit in the middle of the journal throws away every payment after it, and nobody hears of it.",
            "            raise damaged\n        place = rest.find",
            "            return\n        place = rest.find",
        ),
    )
    + bugs(
        "cbdc/ledger/ledger.py",
        FAILURES,
        (
            "proof-of-an-old-log",
            "After a commit whose outcome was unknown, a receipt is shown and its proof refused.",
            "                if self._stale:\n                    self._read_again()\n\n    def key_rows",
            "                pass\n\n    def key_rows",
        ),
    )
    + bugs(
        "cbdc/ledger/line.py",
        FAILURES,
        (
            "pipeline-swallows-a-failed-commit",
            "Who waited for a commit that failed waits for ever.",
            "            party.failure = failure if isinstance(failure, Exception) else _interrupted()\n",
            "            pass\n",
        ),
    ),
)

FIELDS = (SUDDEN,)
