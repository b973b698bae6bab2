"""Bugs at the desks that watch: another history that passes, names where there are none, two jobs at once."""

from tests.mutants.plant import Field, bugs

ROLES = "wallets/site/roles/"

WATCHING = Field(
    "The desks that watch",
    bugs(
        ROLES + "supervisor_audit.py",
        ("tests/site/test_supervisor.py",),
        (
            "another-history-continues-a-kept-head",
            "A journal that was rewritten passes the comparison with a head that was kept.",
            '        raise Refused("E_AUDIT_FORK", size=size) from None',
            "        pass",
        ),
        (
            "anybodys-head-is-compared",
            "A head that the ledger never signed is taken for one.",
            "    genesis.verify_head(head)\n",
            "",
        ),
    )
    + bugs(
        ROLES + "explorer_seen.py",
        ("tests/site/test_explorer.py",),
        (
            "no-bank-knows-its-customer",
            "The table says that a bank cannot put a name to its own customer.",
            "        row |= _named(facts[0])\n",
            "",
        ),
    )
    + bugs(
        ROLES + "treasury.py",
        ("tests/site/test_treasury.py",),
        (
            "vouchers-for-nobody",
            "Vouchers for a holder who is not there are given to nobody and called given.",
            "        if text not in known:",
            "        if False:",
        ),
        (
            "day-after-the-last-day",
            "A purpose lasts a day longer than its form says.",
            "fields.last_day + datetime.timedelta(days=1)",
            "fields.last_day + datetime.timedelta(days=2)",
        ),
    )
    + bugs(
        "wallets/site/jobs.py",
        ("tests/site/test_jobs.py",),
        (
            "two-jobs-of-a-kind",
            "Two audits or two pilots run at once.",
            "            if any(job.kind == kind and job.state == RUNNING for job in self._jobs.values()):",
            "            if False:",
        ),
    ),
)

FIELDS = (WATCHING,)
