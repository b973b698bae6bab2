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

FIELDS = (OPERATIONS,)
