"""Bugs in the protocol code of the browser, in JavaScript."""

from tests.mutants.plant import Field, bugs

PROTOCOL = "wallets/site/static/protocol/"
VECTORS = ("tests/web/test_protocol_vectors.py",)
SAME = ("tests/web/test_protocol_same.py",)
ONLINE = ("tests/web/test_protocol_online.py",)

BROWSER_PROTOCOL = Field(
    "The protocol in the browser",
    bugs(
        PROTOCOL + "canonical.js",
        VECTORS,
        (
            "browser-reads-two-forms",
            "In the browser, two byte strings mean one value, and one object has two ids.",
            "  if (!sameBytes(encode(value), data)) {",
            "  if (data.length < encode(value).length) {",
        ),
    )
    + bugs(
        PROTOCOL + "keys.js",
        SAME,
        (
            "browser-knows-a-key-by-its-digits",
            "A certificate with a key that is none is taken for one with a key met before.",
            "const name = `${algorithm}/${hex(raw)}`;",
            "const name = `${algorithm}${hex(raw)}`;",
        ),
    )
    + bugs(
        PROTOCOL + "evidence.js",
        VECTORS,
        (
            "browser-accuses-the-innocent",
            "Two payments of two coins are shown as one coin spent twice.",
            "  if (!proved(first.record, second.record)) {",
            "  if (first.record.payer !== first.record.payer) {",
        ),
    )
    + bugs(
        PROTOCOL + "selection.js",
        ONLINE,
        (
            "browser-breaks-the-largest-note",
            "A wallet pays small sums with its largest coins, and the two wallets choose differently.",
            "one.amountTiyn >= missing && better < 0",
            "one.amountTiyn >= missing && better > 0",
        ),
    )
    + bugs(
        PROTOCOL + "frames.js",
        SAME,
        (
            "browser-keeps-a-frame-that-lies",
            "A stranger's code in front of the camera puts other bytes into a message.",
            "assembly.total !== frame.total || !sameBytes(held, frame.payload)",
            "assembly.total !== frame.total",
        ),
    )
    + bugs(
        PROTOCOL + "online.js",
        ONLINE,
        (
            "browser-believes-a-proof-of-nothing",
            "A receipt is good for an entry that is not in the log.",
            "last !== 0 || !sameBytes(node, root)",
            "last !== 0",
        ),
    )
    + bugs(
        PROTOCOL + "transaction.js",
        VECTORS,
        (
            "browser-reads-one-input-twice",
            "A transaction that names one token twice is shown as money.",
            "new Set(inputs.map(tokenName)).size !== inputs.length",
            "inputs.length > MAX_INPUTS",
        ),
    ),
)

FIELDS = (BROWSER_PROTOCOL,)
