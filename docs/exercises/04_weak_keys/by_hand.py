"""Signatures checked by hand, as somebody found them on a page and copied them: the formulas, and no guard.

Everything that is a number on a curve is here for you to use: the two group orders, the points of Ed25519, and an
ES256 signature made with a nonce of your choice. Slow, and not constant-time: for attacks on a teahouse only.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519, ES256 = 1, 2
"""The two algorithms, by number: Ed25519, and ECDSA on P-256 with SHA-256."""

FIELD_PRIME = 2**255 - 19
"""Coordinates of Ed25519 are numbers modulo this."""
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
"""How many multiples of the base point of Ed25519 there are; S counts them."""
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The same for P-256, the curve of ES256."""

SMALL_ORDER_Y = (
    0,
    1,
    FIELD_PRIME - 1,
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
)
"""The five y of the eight points of small order; with either bit of the sign they make every such key."""

_D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME
_ROOT = pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME)

Point = tuple[int, int, int, int]
"""A point of Ed25519 as X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z."""
NEUTRAL: Point = (0, 1, 1, 0)


def add(one: Point, other: Point) -> Point:
    """The sum of two points."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % FIELD_PRIME
    b = (one[1] + one[0]) * (other[1] + other[0]) % FIELD_PRIME
    c = 2 * one[3] * other[3] * _D % FIELD_PRIME
    d = 2 * one[2] * other[2] % FIELD_PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD_PRIME, g * h % FIELD_PRIME, f * g % FIELD_PRIME, e * h % FIELD_PRIME


def times(count: int, point: Point) -> Point:
    """`count` times a point, for any count that is not negative."""
    result = NEUTRAL
    while count:
        if count & 1:
            result = add(result, point)
        point, count = add(point, point), count >> 1
    return result


def same(one: Point, other: Point) -> bool:
    """Whether two points are one."""
    x = (one[0] * other[2] - other[0] * one[2]) % FIELD_PRIME
    y = (one[1] * other[2] - other[1] * one[2]) % FIELD_PRIME
    return x == 0 and y == 0


def encode(point: Point) -> bytes:
    """The 32 bytes of a point: y from its lowest byte on, and the parity of x in the highest bit."""
    scale = pow(point[2], -1, FIELD_PRIME)
    x, y = point[0] * scale % FIELD_PRIME, point[1] * scale % FIELD_PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    """The point in 32 bytes, or None where there is none. Whatever y says is taken modulo the prime."""
    number = int.from_bytes(data, "little")
    y, odd = (number & (2**255 - 1)) % FIELD_PRIME, number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    x = pow(square, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
    if (x * x - square) % FIELD_PRIME:
        x = x * _ROOT % FIELD_PRIME
    if (x * x - square) % FIELD_PRIME:
        return None
    if x & 1 != odd:
        x = -x % FIELD_PRIME
    return x, y, 1, x * y % FIELD_PRIME


BASE: Point = decode(bytes([0x58]) + bytes([0x66]) * 31) or NEUTRAL


def challenge(point: bytes, key: bytes, message: bytes) -> int:
    """The number h of the equation S*B = R + h*A: a hash of R, A and the message, as they are written."""
    return int.from_bytes(hashlib.sha512(point + key + message).digest(), "little") % ED25519_ORDER


def ed25519_holds(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether S*B = R + h*A."""
    a, r = decode(key), decode(signature[:32])
    if a is None or r is None:
        return False
    s = int.from_bytes(signature[32:], "little")
    return same(times(s, BASE), add(r, times(challenge(signature[:32], key, message), a)))


def es256_holds(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the library says yes to r and s."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def digest_number(message: bytes) -> int:
    """The number e that ES256 signs: SHA-256 of the message."""
    return int.from_bytes(hashlib.sha256(message).digest(), "big")


def es256_key(secret: int) -> bytes:
    """The compressed public key of a secret number."""
    key = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def es256_sign(secret: int, message: bytes, nonce: int) -> bytes:
    """r and s, 32 bytes each: r is the x of nonce*G, and s = (e + r*secret) / nonce, modulo the order."""
    r = ec.derive_private_key(nonce, ec.SECP256R1()).public_key().public_numbers().x % P256_ORDER
    s = (digest_number(message) + r * secret) * pow(nonce, -1, P256_ORDER) % P256_ORDER
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
