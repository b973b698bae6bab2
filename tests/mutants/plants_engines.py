"""Bugs in the store on PostgreSQL. Without a server their tests are skipped and notice nothing."""

from tests.mutants.plant import Field, bugs

TESTS = ("tests/contracts/test_store_postgres.py",)

FIELDS = (
    Field(
        "The store on PostgreSQL",
        (
            *bugs(
                "cbdc/ledger/postgres_schema.py",
                TESTS,
                (
                    "overtaken-writer-goes-on",
                    "A writer that was overtaken still writes.",
                    "AND epoch = %(epoch)s RETURNING size",
                    "AND %(epoch)s::bigint > 0 RETURNING size",
                ),
            ),
            *bugs(
                "cbdc/ledger/postgres.py",
                TESTS,
                (
                    "lost-answer-counts-as-lost-commit",
                    "A commit whose answer was lost is taken for one that never was.",
                    "        return bool(rows) and bytes(rows[0][0]) == commit.head",
                    "        return False",
                ),
                (
                    "unconfirmed-commit-answered",
                    "A commit is answered that no standby has.",
                    '        self._warned = self._warned or diagnostic.severity_nonlocalized == "WARNING"',
                    "        self._warned = False",
                ),
            ),
        ),
    ),
)
