"""Bugs in what the server tells the wallet's page."""

from tests.mutants.plant import Field, bugs

WALLET_PAGE = Field(
    "The wallet's page",
    bugs(
        "wallets/site/wallet_list.py",
        ("tests/site/test_wallet_list.py",),
        (
            "wallet-list-forgets-words",
            "A wallet that is kept for a life without network never gets corrected words.",
            "for path, digest in (first | later).items():",
            "for path, digest in first.items():",
        ),
        (
            "wallet-list-keeps-the-worker",
            "A service worker is served from its own cache, and a mistake in it can never be mended.",
            "path.suffix in _KEPT and name not in _OUTSIDE",
            "path.suffix in _KEPT and name",
        ),
        (
            "wallet-list-keeps-an-old-digest",
            "The list names an old digest, and no wallet can take the new version.",
            "_digest(path, about.st_mtime_ns, about.st_size)",
            "_digest(path, 0, 0)",
        ),
    ),
)

FIELDS = (WALLET_PAGE,)
