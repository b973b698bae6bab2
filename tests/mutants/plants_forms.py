"""Bugs in the byte form, keys and signatures, records, transactions and marks."""

from tests.mutants.plant import Field, bugs

CANONICAL = ("tests/cbdc/test_canonical.py", "tests/cbdc/test_vectors.py")
KEYS = ("tests/cbdc/test_keys.py", "tests/cbdc/test_vectors.py")
RECORDS = ("tests/cbdc/test_record.py", "tests/cbdc/test_vectors.py")
TRANSACTIONS = ("tests/cbdc/test_transaction.py", "tests/cbdc/test_transaction_vectors.py")
RULES = ("tests/cbdc/test_rules.py", "tests/cbdc/test_gap_ledger.py", "tests/attacks/test_ledger_locks.py")

BYTES = Field(
    "The byte form",
    bugs(
        "cbdc/canonical.py",
        CANONICAL,
        (
            "re-encoding-not-compared",
            "Two byte strings mean one value, so one object has two ids.",
            "if msgpack.packb(value, use_bin_type=True) != data:",
            "if False:",
        ),
        (
            "bool-taken-for-int",
            "True is an amount of one tiyn.",
            "    if kind is int:\n",
            "    if isinstance(value, int):\n",
        ),
        (
            "numbers-beyond-53-bits",
            "Numbers are taken that JavaScript wallets cannot hold.",
            "MAX_INTEGER = 2**53 - 1",
            "MAX_INTEGER = 2**53",
        ),
        (
            "text-in-any-normal-form",
            "One word has two spellings in bytes, and two hashes.",
            'if not unicodedata.is_normalized("NFC", text):',
            "if False:",
        ),
        (
            "nesting-one-deeper",
            "Arrays nest deeper than the protocol allows.",
            "if depth > MAX_DEPTH:",
            "if depth > MAX_DEPTH + 1:",
        ),
        (
            "size-judged-after-parsing",
            "A stranger makes the parser work on megabytes.",
            "if len(data) > limit_bytes:",
            "if False:",
        ),
    )
    + bugs(
        "cbdc/record.py",
        RECORDS,
        (
            "bool-in-a-number-field",
            "A field that holds a number takes True.",
            '        if type(value) is not int:\n            raise Malformed("E_TYPE", type=f"{name}:',
            '        if not isinstance(value, int):\n            raise Malformed("E_TYPE", type=f"{name}:',
        ),
        (
            "container-parts-in-two-forms",
            "A bundle has a second form in which its parts are byte strings.",
            '        raise Malformed("E_TYPE", type="envelope: bytes")',
            "        pass",
        ),
        (
            "network-not-in-the-id",
            "What was signed in one sandbox is good in every other.",
            "hashlib.sha256(domain + bytes([type]) + network + body)",
            "hashlib.sha256(domain + bytes([type]) + body)",
        ),
        (
            "type-not-in-the-id",
            "One body has the same id as a payment and as a freeze.",
            "hashlib.sha256(domain + bytes([type]) + network + body)",
            "hashlib.sha256(domain + network + body)",
        ),
        (
            "type-not-signed",
            "A signature under one kind of object is good for another.",
            'return domain + b"sig\\0" + bytes([type]) + oid',
            'return domain + b"sig\\0" + oid',
        ),
        (
            "type-of-an-envelope-not-asked",
            "An invoice is read as a receipt if its fields happen to fit.",
            "    if type_number != cls.TYPE:\n",
            "    if False:\n",
            ("tests/cbdc/test_record.py", "tests/cbdc/test_marks.py"),
        ),
        (
            "schema-upper-bound-forgotten",
            "A number field takes what the schema forbids.",
            "if not self.least <= value <= self.most:",
            "if not self.least <= value:",
        ),
        (
            "too-many-items-taken",
            "A list holds more items than the schema allows.",
            "if not self.least <= len(value) <= self.most:",
            "if not self.least <= len(value):",
            ("tests/cbdc/test_record.py", "tests/cbdc/test_transaction.py"),
        ),
    ),
)

SIGNATURES = Field(
    "Keys and signatures",
    bugs(
        "cbdc/keys.py",
        KEYS,
        (
            "small-order-key-taken",
            "A key is known under which one signature fits every message.",
            "return point in _SMALL_ORDER_POINTS",
            "return False",
        ),
        (
            "noncanonical-key-taken",
            "One key has two encodings, and so two key ids.",
            "if point[30] == 0xFF and int.from_bytes(point",
            "if False and int.from_bytes(point",
        ),
        (
            "key-off-the-curve-taken",
            "A key is registered under which nothing can ever be signed.",
            "(raw not in _shown and _off_curve(raw))",
            "False",
        ),
        (
            "high-s-taken",
            "Anybody turns one ES256 signature into a second one.",
            "0 < s <= _P256_HALF",
            "0 < s < _P256_ORDER",
        ),
        (
            "ed25519-never-verified",
            "Any 64 bytes are a signature.",
            "if _bad_form(signature) or not _opens(signature + message, key.raw):",
            "if _bad_form(signature):",
        ),
        (
            "es256-never-verified",
            "Any two numbers are a signature.",
            "_p256(key.raw).verify(_der(signature), message, _ECDSA_SHA256)",
            "pass",
        ),
        (
            "algorithm-not-in-the-key-id",
            "The same bytes are one key under two algorithms.",
            "hashlib.sha256(KEY_ID_DOMAIN + bytes([algorithm]) + raw)",
            "hashlib.sha256(KEY_ID_DOMAIN + raw)",
        ),
        (
            "own-signature-not-verified",
            "A broken signer hands out signatures that nobody can use.",
            "        self._public.verify(signature, message)\n        return signature",
            "        return signature",
        ),
        (
            "quorum-off-by-one",
            "One officer alone issues money.",
            "if present < threshold:",
            "if present < threshold - 1:",
        ),
        (
            "one-officer-counted-twice",
            "One officer who signs twice is two.",
            "if len(set(signed_by)) != len(signed_by):",
            "if False:",
        ),
        (
            "strangers-count-for-the-quorum",
            "Any two keys together are the emission officers.",
            "present = sum(1 for kid in signed_by if kid in allowed)",
            "present = len(signed_by)",
        ),
    ),
)

TRANSACTION_FORM = Field(
    "The form of transactions",
    bugs(
        "cbdc/transaction.py",
        TRANSACTIONS,
        (
            "input-named-twice",
            "One token, named twice, counts double.",
            "if len(set(record.spends)) != len(record.spends):",
            "if False:",
        ),
        (
            "witness-named-twice",
            "One key signs for two.",
            "if len({kid for kid, _ in pairs}) != len(pairs):",
            "if False:",
        ),
        (
            "sum-beyond-the-largest-amount",
            "Outputs sum to more than any counter can hold.",
            "if total > canonical.MAX_INTEGER:",
            "if False:",
        ),
        (
            "carried-records-not-opened",
            "A definition that nobody can read gets as far as the rules.",
            "    _check_carried(record, network)\n    return",
            "    return",
        ),
    )
    + bugs(
        "cbdc/token.py",
        ("tests/cbdc/test_token.py", *TRANSACTIONS),
        (
            "threshold-above-its-keys",
            "Money goes behind a lock that nobody can open.",
            "if threshold > len(kids) or len(set(kids)) != len(kids):",
            "if len(set(kids)) != len(kids):",
        ),
        (
            "one-key-twice-in-a-lock",
            "Two of two signatures are one person's.",
            "if threshold > len(kids) or len(set(kids)) != len(kids):",
            "if threshold > len(kids):",
        ),
    )
    + bugs(
        "cbdc/money.py",
        ("tests/cbdc/test_money.py",),
        (
            "bool-is-an-amount",
            "True is read as one tiyn.",
            "    if type(amount) is not int:",
            "    if not isinstance(amount, int):",
        ),
        (
            "a-tiyn-lost-in-the-split",
            "What does not divide evenly disappears.",
            "shares = [share + 1] * rest + [share] * (parts - rest)",
            "shares = [share] * parts",
        ),
    )
    + bugs(
        "cbdc/selection.py",
        ("tests/cbdc/test_selection.py",),
        (
            "scattered-coins-not-refused",
            "A wallet builds a transaction with more inputs than it may have.",
            "if len(chosen) == most:",
            "if len(chosen) == most + 1:",
        ),
    ),
)

FIELDS = (BYTES, SIGNATURES, TRANSACTION_FORM)
