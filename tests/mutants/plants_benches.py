"""Bugs in what is measured, and in the short way through the web application."""

from tests.mutants.plant import Field, bugs

BENCHES = Field(
    "Measuring, and the short way over HTTP",
    bugs(
        "wallets/bench.py",
        ("tests/wallets/test_bench.py",),
        (
            "what-is-remembered-counts-as-work",
            "The ledger's speed is that of remembering signatures that the bench made itself.",
            "    keys.forget_verified()\n    forget_opened()\n",
            "",
        ),
    )
    + bugs(
        "wallets/benches/scene.py",
        ("tests/wallets/benches/test_scene.py",),
        (
            "both-rivals-may-win",
            "A ledger that accepts a double spend passes the benchmark.",
            "            left[second] = BOTH_ACCEPTED",
            '            left[second] = ""',
        ),
    )
    + bugs(
        "cbdc/http/short_way.py",
        ("tests/cbdc/test_short_way.py",),
        (
            "short-way-counts-nobody",
            "Whoever posts plainly may ask as often as he likes.",
            '            self._count(environ.get("REMOTE_ADDR") or "")\n            environ[COUNTED] = True\n',
            "            environ[COUNTED] = True\n",
        ),
        (
            "one-head-for-all-receipts",
            "Every receipt names the head of the first.",
            "        if head is not receipt.head:",
            "        if head is None:",
        ),
    ),
)

FIELDS = (BENCHES,)
