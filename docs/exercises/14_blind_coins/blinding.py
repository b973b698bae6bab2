"""Blind signatures of RFC 9474: RSABSSA-SHA384-PSS-Randomized. For teaching, **not for production**.

The signer signs what it cannot see; what comes out is an ordinary RSA-PSS signature, and the library checks it as such.
Python's `pow` takes a time that depends on the secret, and nothing here is hardened. One key is for one value and one
time, and for nothing else.

    prepared = prepare(message, prefix of 32 bytes)           the client
    blinded, inverse = blind(public, prepared, salt, factor)  the client; factor and salt must be fresh and secret
    blind_signature = blind_sign(secret, blinded)             the signer
    signature = finalize(public, prepared, blind_signature, inverse)
    check(public, prepared, signature)                        everybody
"""

import hashlib
import math
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PREFIX_BYTES = 32
SALT_BYTES = 48
_HASH_BYTES = 48

Public = tuple[int, int]
"""Modulus n and exponent e."""


class BlindFailure(ValueError):
    """A step of RFC 9474 failed; the text is the RFC's name of the failure."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The signer's numbers, as `private_numbers()` has them."""

    p: int
    q: int
    e: int
    dmp1: int
    dmq1: int
    iqmp: int

    @property
    def public(self) -> Public:
        """What everybody knows."""
        return self.p * self.q, self.e


def secret_of(key: rsa.RSAPrivateKey) -> Secret:
    """The numbers of a library's key."""
    numbers = key.private_numbers()
    return Secret(numbers.p, numbers.q, numbers.public_numbers.e, numbers.dmp1, numbers.dmq1, numbers.iqmp)


def secret_from(p: int, q: int, e: int = 65537) -> Secret:
    """The numbers that follow from two primes."""
    return Secret(p, q, e, pow(e, -1, p - 1), pow(e, -1, q - 1), pow(q, -1, p))


def modulus_bytes(public: Public) -> int:
    """How long a signature is."""
    return (public[0].bit_length() + 7) // 8


def prepare(message: bytes, prefix: bytes) -> bytes:
    """PrepareRandomize: 32 random bytes stand before the message, so that no signer can choose the message."""
    if len(prefix) != PREFIX_BYTES:
        raise BlindFailure("unexpected input size")
    return prefix + message


def encode(prepared: bytes, salt: bytes, bits: int) -> bytes:
    """EMSA-PSS of RFC 8017, 9.1.1, with SHA-384 and MGF1: the number that is really signed, in bytes."""
    size = (bits + 7) // 8
    if size < _HASH_BYTES + len(salt) + 2:
        raise BlindFailure("encoding error")
    digest = hashlib.sha384(prepared).digest()
    seed = hashlib.sha384(bytes(8) + digest + salt).digest()
    block = bytes(size - len(salt) - _HASH_BYTES - 2) + b"\1" + salt
    mask = _mgf1(seed, len(block))
    masked = bytearray(one ^ other for one, other in zip(block, mask, strict=True))
    masked[0] &= 0xFF >> (8 * size - bits)
    return bytes(masked) + seed + b"\xbc"


def _mgf1(seed: bytes, size: int) -> bytes:
    blocks = -(-size // _HASH_BYTES)
    parts = (hashlib.sha384(seed + number.to_bytes(4, "big")).digest() for number in range(blocks))
    return b"".join(parts)[:size]


def blind(public: Public, prepared: bytes, salt: bytes, factor: int) -> tuple[bytes, int]:
    """Blind: what goes to the signer, and the inverse of the factor, which stays with the client."""
    n, e = public
    number = int.from_bytes(encode(prepared, salt, n.bit_length() - 1), "big")
    if math.gcd(number, n) != 1:
        raise BlindFailure("invalid input")
    if not 0 < factor < n or math.gcd(factor, n) != 1:
        raise BlindFailure("blinding error")
    blinded = number * pow(factor, e, n) % n
    return blinded.to_bytes(modulus_bytes(public), "big"), pow(factor, -1, n)


def power(secret: Secret, number: int) -> int:
    """`number` to the secret exponent, in two halves (CRT), and tried: a slip here would give p and q away."""
    n, e = secret.public
    if not 0 <= number < n:
        raise BlindFailure("message representative out of range")
    one = pow(number % secret.p, secret.dmp1, secret.p)
    other = pow(number % secret.q, secret.dmq1, secret.q)
    result = other + secret.q * ((one - other) * secret.iqmp % secret.p)
    if pow(result, e, n) != number:
        raise BlindFailure("signing failure")
    return result


def blind_sign(secret: Secret, blinded: bytes) -> bytes:
    """BlindSign: the signer's part. It learns nothing of the message, so a key must be worth one thing only."""
    size = modulus_bytes(secret.public)
    if len(blinded) != size:
        raise BlindFailure("unexpected input size")
    return power(secret, int.from_bytes(blinded, "big")).to_bytes(size, "big")


def finalize(public: Public, prepared: bytes, blind_signature: bytes, inverse: int) -> bytes:
    """Finalize: the signature without its blinding, checked before it is handed out."""
    size = modulus_bytes(public)
    if len(blind_signature) != size:
        raise BlindFailure("unexpected input size")
    signature = (int.from_bytes(blind_signature, "big") * inverse % public[0]).to_bytes(size, "big")
    check(public, prepared, signature)
    return signature


def check(public: Public, prepared: bytes, signature: bytes) -> None:
    """The library's ordinary check of RSA-PSS; BlindFailure if it is not right."""
    n, e = public
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=SALT_BYTES)
    try:
        rsa.RSAPublicNumbers(e, n).public_key().verify(signature, prepared, scheme, hashes.SHA384())
    except InvalidSignature as error:
        raise BlindFailure("invalid signature") from error


def encoded_number(public: Public, signature: bytes) -> int:
    """The number that a signature signs: signature to the e. Everybody can compute it."""
    return pow(int.from_bytes(signature, "big"), public[1], public[0])
