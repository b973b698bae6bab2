"""Which keys and which signatures are taken, and key ids (5.2)."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

DST = b"kzt-dt/offline/v1\0"
ED25519 = 1
ES256 = 2

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SMALL = (
    0,
    1,
    _P - 1,
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
)
_Q = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@lru_cache(maxsize=4096)
def usable(algorithm: int, key: bytes) -> bool:
    """Whether a key is taken (5.2, "Which keys are taken"); else the place says E_KEY."""
    if algorithm == ED25519:
        return len(key) == 32 and _on_edwards(key)
    if algorithm == ES256:
        return len(key) == 33 and _on_p256(key)
    return False


def _on_edwards(key: bytes) -> bool:
    """5.2, rule 2: canonical, not of small order, on the curve."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if y >= _P or y in _SMALL:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return square == 0 or pow(square, (_P - 1) // 2, _P) == 1


def _on_p256(key: bytes) -> bool:
    """5.2, rule 3: compressed, below the prime, a point of the curve."""
    x = int.from_bytes(key[1:], "big")
    if key[0] not in (2, 3) or x >= _Q:
        return False
    square = (x * x * x - 3 * x + _B) % _Q
    return square == 0 or pow(square, (_Q - 1) // 2, _Q) == 1


@lru_cache(maxsize=65536)
def verify(algorithm: int, key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is taken (5.2, "Which signatures are taken"). An unusable key signs nothing."""
    if len(signature) != 64 or not usable(algorithm, key):
        return False
    if algorithm == ED25519:
        return _verify_ed25519(key, signature, message)
    return _verify_es256(key, signature, message)


def _verify_ed25519(key: bytes, signature: bytes, message: bytes) -> bool:
    """5.2: S below L, R canonical in y and not of small order, the equation without cofactor.

    OpenSSL computes [S]B - [k]A, encodes it and compares it with R byte for byte, as rule 3 wants.
    """
    y = int.from_bytes(signature[:32], "little") & (2**255 - 1)
    if int.from_bytes(signature[32:], "little") >= _L or y >= _P or y in _SMALL:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_es256(key: bytes, signature: bytes, message: bytes) -> bool:
    """5.2: r in 1..n-1, s in the lower half, the ECDSA equation over SHA-256."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (1 <= r < _N and 1 <= s <= (_N - 1) // 2):
        return False
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def kid(algorithm: int, key: bytes) -> bytes:
    """The id of a key (5.2, "Key ids"); it can be computed of bytes that are no usable key."""
    return hashlib.sha256(DST + b"key\0" + bytes([algorithm]) + key).digest()
