"""Vectors of keys and signatures: the corners where libraries disagree (attack list, G6, G7, G9, G10)."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cbdc.keys import ED25519, ES256
from tests.offline.world import fixed_key
from tests.vectors import edwards
from tests.vectors.case import Case, case

P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MESSAGE = b"digital tenge"

# RFC 8032, section 7.1, tests 1 to 3: key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]

# RFC 6979, section A.2.5, P-256 with SHA-256: key (compressed), message, r, s as printed there.
RFC_6979_KEY = "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
RFC_6979 = [
    (
        b"sample",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        b"test",
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ),
]


def p256_sign(secret: int, nonce: int, message: bytes) -> tuple[int, int]:
    """An ECDSA signature (r, low s) with a nonce of one's own choice: two nonces, two signatures of one message."""
    numbers = ec.derive_private_key(nonce, ec.SECP256R1()).public_key().public_numbers()
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    r = numbers.x % P256_ORDER
    s = pow(nonce, -1, P256_ORDER) * (digest + r * secret) % P256_ORDER
    return r, min(s, P256_ORDER - s)


def pair(r: int, s: int) -> bytes:
    """r and s as 64 bytes."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _ed25519_keys() -> list[Case]:
    good = fixed_key("vector ed25519").public.raw
    cases = [
        case("ed25519-key", "an ordinary key", "key", good, algorithm=ED25519),
        case("G9-short", "31 bytes", "key", good[:31], "E_KEY", algorithm=ED25519),
        case("G9-long", "33 bytes", "key", good + b"\0", "E_KEY", algorithm=ED25519),
        case("G9-unknown-0", "algorithm 0", "key", good, "E_KEY", algorithm=0),
        case("G9-unknown-3", "algorithm 3, kept for later", "key", good, "E_KEY", algorithm=3),
    ]

    def bad(id: str, what: str, data: bytes) -> None:
        cases.append(case(id, what, "key", data, "E_KEY", algorithm=ED25519))

    for number, point in enumerate(edwards.small_points()):
        bad(
            f"G9-small-{number}",
            "a key of small order: one signature fits every message",
            edwards.encode(point),
        )
    for y, name in ((1, "neutral"), (edwards.PRIME - 1, "order-2")):
        data = (y | 1 << 255).to_bytes(32, "little")
        bad(f"G9-sign-{name}", "x is 0 and its sign bit is set", data)
    for y in range(19):
        for sign in (0, 1):
            data = (edwards.PRIME + y | sign << 255).to_bytes(32, "little")
            bad(f"G9-wide-{y}-{sign}", f"y is {y} plus the prime", data)
    off = next(y for y in range(2, 100) if edwards.decode(y, 0) is None)
    bad("G9-off-curve", "a y that no point of the curve has", off.to_bytes(32, "little"))
    return cases


def _ed25519_signatures() -> list[Case]:
    key = fixed_key("vector ed25519")
    raw, good = key.public.raw, key.sign(MESSAGE)
    scalar = edwards.secret_scalar(key.secret)
    nonce = 2**200 + 12345
    cases = [
        case(
            f"rfc8032-{number}",
            "from RFC 8032, section 7.1",
            "signature",
            bytes.fromhex(signature),
            algorithm=ED25519,
            key=public,
            message=message,
        )
        for number, (public, message, signature) in enumerate(RFC_8032, start=1)
    ]

    def add(
        id: str, what: str, data: bytes, expect: str = "E_SIG", key: bytes = raw, message: bytes = MESSAGE
    ) -> None:
        cases.append(case(id, what, "signature", data, expect, algorithm=ED25519, key=key, message=message))

    def signed(point: bytes, public: bytes, a: int, r: int) -> bytes:
        s = (r + edwards.challenge(point, public, MESSAGE) * a) % edwards.ORDER
        return point + s.to_bytes(32, "little")

    s = int.from_bytes(good[32:], "little")
    add("ed25519", "an ordinary signature", good, "ok")
    add("ed25519-message", "the same over another message", good, message=MESSAGE + b".")
    add("ed25519-key-other", "the same under another key", good, key=fixed_key("vector other").public.raw)
    add("ed25519-zero", "64 zero bytes", bytes(64))
    add("ed25519-flip-R", "one bit of R changed", bytes([good[0] ^ 1]) + good[1:])
    add("ed25519-flip-S", "one bit of S changed", good[:32] + bytes([good[32] ^ 1]) + good[33:])
    add("ed25519-63", "63 bytes", good[:63])
    add("ed25519-65", "65 bytes", good + b"\0")
    add(
        "G6",
        "S plus the group order: a second signature in some libraries",
        good[:32] + (s + edwards.ORDER).to_bytes(32, "little"),
    )
    add("G6-order", "S is the group order", good[:32] + edwards.ORDER.to_bytes(32, "little"))
    add("G6-high", "the three highest bits of S set", good[:63] + bytes([good[63] | 0xE0]))
    small = edwards.small_points()
    torsion = next(point for point in small if edwards.times(4, point) != edwards.NEUTRAL)
    point = edwards.times(nonce, edwards.BASE)
    neutral = edwards.encode(edwards.NEUTRAL)
    add("G9-neutral-R", "R is the neutral point, and the equation holds", signed(neutral, raw, scalar, 0))
    wide = (edwards.PRIME + 1).to_bytes(32, "little")
    add("G9-neutral-R-wide", "R is the neutral point in a long form", signed(wide, raw, scalar, 0))
    shifted = edwards.encode(edwards.add(point, torsion))
    add(
        "G9-torsion-R",
        "R has a part of small order: only the equation with cofactor holds",
        signed(shifted, raw, scalar, nonce),
    )
    # A key with a part of small order is not of small order itself. With the cofactor in the equation every
    # signature under it would pass; without, only those whose challenge happens to be a multiple of eight.
    mixed = edwards.encode(edwards.add(edwards.times(scalar, edwards.BASE), torsion))
    tries = ((r, edwards.encode(edwards.times(r, edwards.BASE))) for r in range(nonce, nonce + 200))
    found = {edwards.challenge(at, mixed, MESSAGE) % 8 == 0: (r, at) for r, at in tries}
    for holds in (True, False):
        r, at = found[holds]
        what = f"a key with a part of small order, and the equation {'holds' if holds else 'holds only with cofactor'}"
        add(
            f"G9-mixed-{'holds' if holds else 'fails'}",
            what,
            signed(at, mixed, scalar, r),
            "ok" if holds else "E_SIG",
            mixed,
        )
    return cases


def _p256_keys() -> list[Case]:
    good = fixed_key("vector es256", ES256).public.raw
    x = int.from_bytes(good[1:], "big")
    cases = [
        case("es256-key", "an ordinary key", "key", good, algorithm=ES256),
        case(
            "es256-key-other-y",
            "the same x with the other y",
            "key",
            bytes([good[0] ^ 1]) + good[1:],
            algorithm=ES256,
        ),
    ]

    def bad(id: str, what: str, data: bytes) -> None:
        cases.append(case(id, what, "key", data, "E_KEY", algorithm=ES256))

    numbers = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), good)
    bad("G10-infinity", "the point at infinity", b"\0")
    bad("G10-zeros", "33 zero bytes", bytes(33))
    bad(
        "G10-uncompressed",
        "an uncompressed point",
        numbers.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    )
    bad("G10-32", "32 bytes", good[:32])
    bad("G10-34", "34 bytes", good + b"\0")
    bad("G10-ed25519", "a key of the other algorithm", fixed_key("vector ed25519").public.raw)
    for prefix in (0, 1, 4, 5, 6, 7, 255):
        bad(f"G10-prefix-{prefix}", f"the first byte is {prefix}", bytes([prefix]) + good[1:])
    off = next(n for n in range(x, x + 100) if not _on_p256(n))
    bad("G10-off-curve", "an x that no point of the curve has", b"\x02" + off.to_bytes(32, "big"))
    bad("G10-prime", "x is the prime", b"\x02" + P256_PRIME.to_bytes(32, "big"))
    small = next(n for n in range(1, 100) if _on_p256(n))
    bad("G10-wide", f"x is {small} plus the prime", b"\x02" + (P256_PRIME + small).to_bytes(32, "big"))
    bad("G10-most", "x is 2**256 - 1", b"\x02" + b"\xff" * 32)
    return cases


def _on_p256(x: int) -> bool:
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    square = (x**3 - 3 * x + b) % P256_PRIME
    return pow(square, (P256_PRIME - 1) // 2, P256_PRIME) in (0, 1)


def _p256_signatures() -> list[Case]:
    key = fixed_key("vector es256", ES256)
    good = key.sign(MESSAGE)
    r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")
    cases: list[Case] = []

    def add(
        id: str,
        what: str,
        data: bytes,
        expect: str = "E_SIG",
        key: bytes = key.public.raw,
        message: bytes = MESSAGE,
    ) -> None:
        cases.append(case(id, what, "signature", data, expect, algorithm=ES256, key=key, message=message))

    for message, r_hex, s_hex in RFC_6979:
        printed_r, printed_s = int(r_hex, 16), int(s_hex, 16)
        high = printed_s > P256_ORDER // 2
        name = message.decode()
        public = bytes.fromhex(RFC_6979_KEY)
        add(
            f"rfc6979-{name}",
            "from RFC 6979, as printed",
            pair(printed_r, printed_s),
            "E_SIG" if high else "ok",
            public,
            message,
        )
        twin = pair(printed_r, P256_ORDER - printed_s)
        add(f"rfc6979-{name}-twin", "its twin", twin, "ok" if high else "E_SIG", public, message)
    add("es256", "an ordinary signature", good, "ok")
    add(
        "G8",
        "another signature of the same message",
        pair(*p256_sign(_secret(key.secret), 2**200 + 7, MESSAGE)),
        "ok",
    )
    add("G7", "the high twin (r, n - s)", pair(r, P256_ORDER - s))
    add("es256-message", "the same over another message", good, message=MESSAGE + b".")
    add(
        "es256-key-other",
        "under the key with the other y",
        good,
        key=bytes([key.public.raw[0] ^ 1]) + key.public.raw[1:],
    )
    add("es256-zero", "r and s are 0", bytes(64))
    add("es256-r-0", "r is 0", pair(0, s))
    add("es256-s-0", "s is 0", pair(r, 0))
    add("es256-r-n", "r is the order", pair(P256_ORDER, s))
    add("es256-s-n", "s is the order", pair(r, P256_ORDER))
    add("es256-r-plus-n", "r plus the order", pair(2**256 - 1, s))
    add("es256-half", "s is just above the half", pair(r, P256_ORDER // 2 + 1))
    add("es256-swapped", "s before r", pair(s, r))
    add("es256-63", "63 bytes", good[:63])
    add("es256-der", "the form of X.509, 64 bytes of it", (b"\x30\x44\x02\x20" + good)[:64])
    return cases


def _secret(seed: bytes) -> int:
    wide = hashlib.sha512(b"tenge-es256\0" + seed).digest()
    return int.from_bytes(wide, "big") % (P256_ORDER - 1) + 1


def second_signature(seed: bytes, message: bytes) -> bytes:
    """A signature of the ES256 key made from `seed` that differs from its usual one, and is as valid."""
    return pair(*p256_sign(_secret(seed), 2**200 + 7, message))


def make() -> dict[str, Any]:
    """The file `keys.json`."""
    return {
        "origin": "DTO/1, sections 5.2 and 7.2 (G6 to G10); RFC 8032, 7.1; RFC 6979, A.2.5; corners built by hand",
        "schema": {
            "key": "the bytes are a usable public key of `algorithm` (1 Ed25519, 2 ES256)",
            "signature": "the bytes are the signature of `key` over `message`",
        },
        "context": {},
        "cases": [*_ed25519_keys(), *_ed25519_signatures(), *_p256_keys(), *_p256_signatures()],
    }
