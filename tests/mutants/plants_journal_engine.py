"""Bugs in the journal engine: what a crash, a bad disk or a second writer may do to it."""

from tests.mutants.plant import Field, bugs

DAMAGE = ("tests/contracts/test_store_journal.py",)
DISK = ("tests/contracts/test_store_journal_disk.py",)
ARCHIVE = ("tests/contracts/test_store_journal_archive.py",)

ENGINE = Field(
    "The journal engine",
    bugs(
        "cbdc/ledger/journal_frames.py",
        DAMAGE,
        (
            "damage-cut-as-a-torn-end",
            "A bad sector in the middle takes every payment after it with it, and nobody is told.",
            "    place = rest.find(_MARK)\n",
            "    place = -1\n",
        ),
        (
            "frame-of-another-place",
            "A commit that somebody wrapped into a payment stops the ledger's next start.",
            "    return zlib.crc32(_PLACE.pack(number, offset))\n",
            "    return 0\n",
        ),
    )
    + bugs(
        "cbdc/ledger/journal_log.py",
        DISK,
        (
            "writing-goes-on-after-a-failed-sync",
            "Payments are acknowledged that a power cut takes back.",
            "            self._broken = for_good\n",
            "            self._broken = False\n",
        ),
        (
            "failed-commit-not-cut",
            "A payment that was refused because the disk was full is there after the next start.",
            "            self._disk.truncate(name, start)\n",
            "            self._disk.truncate(name, self._disk.size(name))\n",
        ),
    )
    + bugs(
        "cbdc/ledger/journal_snapshot.py",
        DAMAGE,
        (
            "older-snapshot-thrown-away",
            "When the newest snapshot is bad, the ledger reads a year of journal before it answers.",
            "        kept |= {snapshot_name(base.size), *(file.name for file in base.files())}\n",
            "        pass\n",
        ),
    )
    + bugs(
        "cbdc/ledger/journal_archive.py",
        ARCHIVE,
        (
            "archived-before-two-snapshots",
            "A bad snapshot after an archive leaves nothing to start from.",
            "[number for number in closed if len(kept) > 1 and number < kept[1].segment]",
            "[number for number in closed if kept and number < kept[0].segment]",
        ),
    ),
)
FIELDS = (ENGINE,)
