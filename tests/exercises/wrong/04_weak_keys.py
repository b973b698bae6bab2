"""Wrong answers to exercise 4: attacks that only look like it, and verifiers that lack one guard."""

from tests.exercises.answers import Changed, Rewritten

HONEST = "verify_accepts_honest_signatures"
WRONG_ONES = "verify_refuses_wrong_signatures"
SECOND = "verify_refuses_second_writings"
SMALL = "verify_refuses_keys_of_small_order"
NO_KEY = "verify_refuses_what_is_no_key"
POINTS = "verify_refuses_strange_points"

_OPEN = "nacl.bindings.crypto_sign_open(signature + message, raw)"
_LIBRARY_ONLY = (
    "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey\n"
    "    try:\n"
    "        if arguments[0] == ED25519:\n"
    "            return Ed25519PublicKey.from_public_bytes(arguments[1]).verify(arguments[2], arguments[3])\n"
    "        if arguments[0] == ES256:\n"
    "            s = arguments[2]\n"
    "            if len(s) != 64:\n"
    "                raise Refused('length')\n"
    "            der = encode_dss_signature(int.from_bytes(s[:32], 'big'), int.from_bytes(s[32:], 'big'))\n"
    "            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), arguments[1])\n"
    "            return key.verify(der, arguments[3], ec.ECDSA(hashes.SHA256()))\n"
    "    except (InvalidSignature, ValueError):\n"
    "        pass\n"
    "    raise Refused('no')"
)
_TILL_CHECK = "from teahouse import holds\n    if not holds(*arguments):\n        raise Refused('no')"
_LIST = "if raw in {y.to_bytes(32, 'little') for y in SMALL_ORDER_Y}:\n            raise Refused('listed')"
_TIMES_EIGHT = (
    "import by_hand\n"
    "    raw, sig, message = arguments\n"
    "    _check_point(raw)\n"
    "    _check_point(sig[:32])\n"
    "    a, r, s = by_hand.decode(raw), by_hand.decode(sig[:32]), int.from_bytes(sig[32:], 'little')\n"
    "    if a is None or r is None or s >= ED25519_ORDER:\n"
    "        raise Refused('no point')\n"
    "    right = by_hand.add(r, by_hand.times(by_hand.challenge(sig[:32], raw, message), a))\n"
    "    if not by_hand.same(by_hand.times(8 * s, by_hand.BASE), by_hand.times(8, right)):\n"
    "        raise Refused('wrong')"
)


def _openssl(key: str, point: str) -> dict[str, str]:
    """Ed25519 by OpenSSL, with these looks at the key and at R before."""
    return {
        "_verify_ed25519": (
            "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey\n"
            "    raw, sig, message = arguments\n"
            "    try:\n"
            f"        {key}\n"
            f"        {point}\n"
            "        Ed25519PublicKey.from_public_bytes(raw).verify(sig, message)\n"
            "    except (InvalidSignature, ValueError) as error:\n"
            "        raise Refused('wrong') from error"
        )
    }


_DER = "key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))"

WRONG = [
    Rewritten("a number without an attack", {"second_paper": "return 647200"}, "second_paper"),
    Rewritten(
        "an honest slip of one's own",
        {
            "longer_number": (
                "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
                "    slip = (ALDAR, 5, 5)\n    key = Ed25519PrivateKey.from_private_bytes(arguments[0].your_secret)\n"
                "    return arguments[0].hand_in(ALDAR, slip, key.sign(slip_message(slip)))"
            )
        },
        "longer_number",
    ),
    Rewritten(
        "the other algorithm's twin", {"longer_number": "return second_paper(*arguments)"}, "longer_number"
    ),
    Changed(
        "adds the wrong order",
        '"little") + ED25519_ORDER\n',
        '"little") + P256_ORDER // 2**8\n',
        "longer_number",
    ),
    Changed("a key from the list", "(FIELD_PRIME + 1).to_bytes", "(1).to_bytes", "one_for_all"),
    Changed("one amount twice", "(ALDAR, 900_000, 2)", "(ALDAR, 100_000, 2)", "one_for_all"),
    Rewritten(
        "one's own cash-back",
        {"anothers_slips": "return arguments[0].cash_back(arguments[0].card)"},
        "anothers_slips",
    ),
    Rewritten(
        "the card's name taken over",
        {
            "card_secret": (
                "till = arguments[0]\n    till.register(till.card, ES256, es256_key(4711))\n"
                "    slip = (ALDAR, 1000, 1)\n"
                "    return till.hand_in(till.card, slip, es256_sign(4711, slip_message(slip), 99))"
            )
        },
        "card_secret",
    ),
    Rewritten(
        "the card's slip, once more", {"card_secret": "return second_paper(*arguments)"}, "card_secret"
    ),
    Rewritten(
        "the product's own verifier",
        {"verify": "from cbdc.keys import public_key\n    public_key(*arguments[:2]).verify(*arguments[2:])"},
        HONEST,
    ),
    Rewritten(
        "the product's own verifier by a side door",
        {
            "verify": "import cbdc.transaction\n    import sys\n"
            "    sys.modules['cbdc.keys'].public_key(*arguments[:2]).verify(*arguments[2:])"
        },
        HONEST,
    ),
    Rewritten("accepts everything", {"verify": "return None"}, WRONG_ONES),
    Rewritten("refuses everything", {"verify": "raise Refused('no')"}, HONEST),
    Rewritten("answers instead of refusing", {"verify": "return False"}, HONEST),
    Rewritten("the till's own check", {"verify": _TILL_CHECK}, SECOND),
    Rewritten("a library and nothing else", {"verify": _LIBRARY_ONLY}, SECOND),
    Rewritten("a library and nothing else, keys", {"verify": _LIBRARY_ONLY}, SMALL),
    Rewritten("a library and nothing else, R", {"verify": _LIBRARY_ONLY}, POINTS),
    Changed("both halves of s", "0 < s <= P256_ORDER // 2", "0 < s < P256_ORDER", SECOND),
    Changed("the upper half of s", "0 < s <= P256_ORDER // 2", "P256_ORDER // 2 < s < P256_ORDER", HONEST),
    Changed("no length of ES256 keys", "len(raw) == 33 and raw[0] in {2, 3}", "len(raw) in {33, 65}", SECOND),
    Changed("any algorithm", "elif algorithm == ES256 and len(raw) == 33", "elif len(raw) == 33", NO_KEY),
    Changed("unknown is Ed25519", "if algorithm == ED25519 and len(raw) == 32", "if len(raw) == 32", NO_KEY),
    Changed(
        "point errors go through",
        "except (InvalidSignature, ValueError) as",
        "except InvalidSignature as",
        NO_KEY,
    ),
    Rewritten("OpenSSL and no look at the key", _openssl("pass", "_check_point(sig[:32])"), SMALL),
    Rewritten("OpenSSL and a list of bytes", _openssl(_LIST, "_check_point(sig[:32])"), SMALL),
    Rewritten("OpenSSL and no look at R", _openssl("_check_point(raw)", "pass"), POINTS),
    Rewritten("the equation times eight", {"_verify_ed25519": _TIMES_EIGHT}, POINTS),
    Changed("ES256 is not computed", _DER, "pass", WRONG_ONES),
    Changed("Ed25519 is not computed", _OPEN, "pass", WRONG_ONES),
    Changed(
        "no proof is asked",
        "verify(algorithm, raw, proof, possession_message(name, algorithm, raw))",
        "pass",
        "admit",
    ),
    Changed(
        "a proof for any name",
        "possession_message(name, algorithm, raw))\n",
        'possession_message("", algorithm, raw))\n',
        "admit",
    ),
    Changed(
        "names may be taken over",
        "if book.get(name, (algorithm, raw)) != (algorithm, raw):",
        "if False:",
        "admit",
    ),
    Changed(
        "keys may stand twice",
        "for other, key in book.items() if other != name",
        "for other, key in ()",
        "admit",
    ),
    Changed(
        "nobody comes twice",
        "if book.get(name, (algorithm, raw)) != (algorithm, raw):",
        "if name in book:",
        "admit",
    ),
    Changed("an id with the signature", 'b"payment\\0" + message', "message + signature", "payment_id"),
    Changed("one id for all", 'b"payment\\0" + message', 'b"payment"', "payment_id"),
    Changed("half a message", 'b"payment\\0" + message', "message[:-3]", "payment_id"),
]
