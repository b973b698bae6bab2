"""Bugs in the laboratory: what it counts, what it keeps, and what its audit would not notice."""

from tests.mutants.plant import Field, bugs

LAB = Field(
    "The laboratory",
    bugs(
        "wallets/lab/measures.py",
        ("tests/lab/test_measures.py",),
        (
            "detection-from-the-first-branch",
            "A double spend counts as found when the first of its branches arrives.",
            "            tree.admitted[oid] for oid in conflict.transfers\n        )[1]",
            "            tree.admitted[oid] for oid in conflict.transfers\n        )[0]",
        ),
        (
            "cut-money-is-nobodys",
            "A payment that was lost on its way is in nobody's books.",
            "            books[payee if handed_in else payer] += amount\n",
            "",
        ),
    )
    + bugs(
        "wallets/lab/notebook.py",
        ("tests/lab/test_resume.py",),
        (
            "rows-of-hosts-not-deleted",
            "A saved day keeps rows that a host had removed.",
            "                [key for key, value in rows if value is None],",
            "                [],",
        ),
    )
    + bugs(
        "wallets/lab/tokens.py",
        ("tests/lab/test_measures.py",),
        (
            "rollback-spends-what-is-kept",
            "The state that a rollback goes back to is spent itself.",
            "            twin = Device(element.clone(), kept)",
            "            twin = Device(element, kept)",
        ),
    ),
)

FIELDS = (LAB,)
