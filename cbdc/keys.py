"""Keys and signatures: one acceptance rule, whatever library does the arithmetic.

Two algorithms exist: 1 is Ed25519 (32-byte key), 2 is ES256, that is ECDSA on P-256 with SHA-256 (33-byte compressed
point). A signature is always 64 bytes. The algorithm is taken from the signer's key record, never from the message.

Libraries disagree about the corners, so the rule is fixed here and each corner has a vector:

- Ed25519: the key and the point R are canonical and none of the eight points of small order (a small-order key
  verifies one signature for every message); S is below the group order; the equation is checked without cofactor.
- ES256: the key is a compressed point on the curve; r and s are in 1..n-1 and **s is in the lower half**, so nobody
  can turn one signature into a second.

`verify` raises; there is no boolean to forget. Signing verifies its own result before handing it out.

Verification is a pure function of key, signature and message. A process remembers the last few thousand questions it
answered with yes, so that a signature it has just made, or just taken in, is not computed again at the next desk. A no
is never remembered.

Source: DTO/1, sections 5.2 and 5.3; RFC 8032; FIPS 186-5; RFC 6979.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any, Protocol

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cbdc.errors import Malformed, Refused

ED25519 = 1
ES256 = 2
KEY_BYTES = {ED25519: 32, ES256: 33}
SIGNATURE_BYTES = 64
KEY_ID_DOMAIN = b"kzt-dt/offline/v1\0key\0"

_FIELD_PRIME = 2**255 - 19
_CURVE_D = -121665 * pow(121666, -1, _FIELD_PRIME) % _FIELD_PRIME
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_BASE_POINT = bytes([0x58]) + bytes([0x66]) * 31
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_HALF = _P256_ORDER // 2
# The y coordinates of the points whose order divides eight; with either sign bit they give every such encoding.
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
_SMALL_ORDER_POINTS = frozenset(
    (y | sign << 255).to_bytes(32, "little") for y in _SMALL_ORDER_Y for sign in (0, 1)
)


def _small_order_or_noncanonical(point: bytes) -> bool:
    # A number of the field's size or more has all ones but at its ends, which one byte rules out nearly always.
    if point[30] == 0xFF and int.from_bytes(point, "little") & (2**255 - 1) >= _FIELD_PRIME:
        return True
    return point in _SMALL_ORDER_POINTS


def _off_curve(point: bytes) -> bool:
    # libsodium adds only points that are on the curve, so it is asked for a sum; the formula takes eight times as long.
    try:
        nacl.bindings.crypto_core_ed25519_add(point, _BASE_POINT)
    except nacl.exceptions.UnavailableError:  # a libsodium built without these functions
        return _has_no_root(point)
    except nacl.exceptions.RuntimeError:
        return True
    return False


def _has_no_root(point: bytes) -> bool:
    # x**2 = (y**2 - 1) / (d*y**2 + 1) must have a root; Euler's criterion, on public data only.
    y = int.from_bytes(point, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(_CURVE_D * y * y + 1, -1, _FIELD_PRIME) % _FIELD_PRIME
    return pow(square, (_FIELD_PRIME - 1) // 2, _FIELD_PRIME) not in (0, 1)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verified-to-be-usable public key: `algorithm` (1 or 2) and its raw bytes. Build it with `public_key`."""

    algorithm: int
    raw: bytes

    @property
    def kid(self) -> bytes:
        """The 32-byte key id: SHA-256 over a domain, the algorithm and the key."""
        return key_id(self.algorithm, self.raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if `signature` is this key's over `message`; raise E_SIG otherwise."""
        question = (self.algorithm, self.raw, signature, message)
        if question in _sound or _unasked.get():
            return
        self.judge(signature, message)
        _remember(question)

    def judge(self, signature: bytes, message: bytes) -> None:
        """What `verify` does, computed whatever was asked before, and not remembered."""
        if len(signature) != SIGNATURE_BYTES:
            raise Refused("E_SIG", kid=self.kid)
        if self.algorithm == ED25519:
            _verify_ed25519(self, signature, message)
        else:
            _verify_es256(self, signature, message)

    def take_word(self, signature: bytes, message: bytes) -> None:
        """Remember that another process of this program has judged this signature and that it stands."""
        _remember((self.algorithm, self.raw, signature, message))


Question = tuple[int, bytes, bytes, bytes]
"""Algorithm, raw key, signature, message: what a verification is asked."""


def sound(keys: Sequence[tuple[int, bytes]], asked: Iterable[tuple[int, bytes, bytes]]) -> list[int]:
    """The places in `asked` (number of the key in `keys`, signature, message) whose signature stands, in order.

    What is not in the answer does not stand. The same rule as `PublicKey.verify`, for many at once: nothing is
    remembered, and under a key that is unusable (`public_key` would raise E_KEY) no signature stands.
    """
    usable = [_usable(algorithm, raw) for algorithm, raw in keys]
    return standing([(usable[number], signature, message) for number, signature, message in asked])


def standing(asked: Iterable[tuple[PublicKey | None, bytes, bytes]]) -> list[int]:
    """The places in `asked` (key, signature, message) whose signature stands, in order; under no key none stands.

    What `PublicKey.judge` says of each: nothing is remembered, and whether a key is usable is not asked.
    """
    found: list[int] = []
    ready: list[tuple[int, bytes, bytes]] = []
    for place, (key, signature, message) in enumerate(asked):
        if key is None or len(signature) != SIGNATURE_BYTES:
            continue
        if key.algorithm == ED25519:
            if not _bad_form(signature):
                ready.append((place, signature + message, key.raw))
            continue
        try:
            _verify_es256(key, signature, message)
        except (Refused, Malformed):  # Malformed: a key that is no point of the curve
            continue
        found.append(place)
    # One after the other and nothing between: a processor does many of a kind faster than one of each in turn.
    opens = _opens
    found += [place for place, signed, raw in ready if opens(signed, raw)]
    found.sort()
    return found


def _usable(algorithm: int, raw: bytes) -> PublicKey | None:
    try:
        return public_key(algorithm, raw)
    except Malformed:
        return None


_SHOWN_MOST = 4_096
_shown: dict[bytes, None] = {}


def show_on_curve(algorithm: int, raw: bytes, signature: bytes, message: bytes) -> None:
    """Let a signature that stands under a key show that the key is on its curve, so that nobody computes it again.

    Whoever will verify that signature anyway saves the question. Nothing follows from one that does not stand, and
    nothing is raised: `public_key` asks the question itself then.
    """
    if algorithm != ED25519 or len(raw) != KEY_BYTES[ED25519] or raw in _shown or _unasked.get():
        return
    if _small_order_or_noncanonical(raw):
        return
    try:
        PublicKey(algorithm, raw).verify(signature, message)
    except Refused:
        return
    if len(_shown) >= _SHOWN_MOST:
        _shown.clear()
    _shown[raw] = None


_unasked = ContextVar("signatures_unasked", default=False)


@contextmanager
def signatures_unasked() -> Iterator[None]:
    """Within it, `PublicKey.verify` takes every signature for right, in this thread, and remembers nothing.

    For an audit that checks all but signatures, and says so. Nothing that decides for others may use it.
    """
    token = _unasked.set(True)
    try:
        yield
    finally:
        _unasked.reset(token)


_SOUND_MOST = 65_536
_sound: dict[Question, None] = {}


def _remember(question: Question) -> None:
    """Keep a question whose answer was yes; the oldest half goes when there are too many."""
    if len(_sound) >= _SOUND_MOST:
        for old in list(islice(_sound, _SOUND_MOST // 2)):
            _sound.pop(old, None)
    _sound[question] = None


def forget_verified() -> None:
    """Remember no signature any more: whoever measures verification asks for the whole work."""
    _sound.clear()


def forget_keys() -> None:
    """Remember no key any more: whoever measures a first meeting asks for the whole work."""
    for cache in (public_key, key_id, _p256):
        cache.cache_clear()
    _shown.clear()


@lru_cache(maxsize=65_536)
def key_id(algorithm: int, raw: bytes) -> bytes:
    """SHA-256(DST || "key\\0" || algorithm || key): 32 bytes, the same for a person's online and offline keys."""
    return hashlib.sha256(KEY_ID_DOMAIN + bytes([algorithm]) + raw).digest()


@lru_cache(maxsize=65_536)
def public_key(algorithm: int, raw: bytes) -> PublicKey:
    """The public key in `raw`.

    Raises E_KEY for an unknown algorithm, a wrong length, a point of small order, a non-canonical encoding, or a
    point that is not on the curve.
    """
    if KEY_BYTES.get(algorithm) != len(raw):
        raise Malformed("E_KEY", algorithm=algorithm, length=len(raw))
    if algorithm == ED25519:
        if _small_order_or_noncanonical(raw) or (raw not in _shown and _off_curve(raw)):
            raise Malformed("E_KEY", algorithm=algorithm, length=len(raw))
    else:
        _p256(raw)
    return PublicKey(algorithm, raw)


@lru_cache(maxsize=65_536)
def _p256(raw: bytes) -> ec.EllipticCurvePublicKey:
    if raw[0] not in (2, 3):
        raise Malformed("E_KEY", algorithm=ES256, length=len(raw))
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise Malformed("E_KEY", algorithm=ES256, length=len(raw)) from None


def _opens_by_binding(signed: bytes, raw: bytes) -> bool:
    try:
        nacl.bindings.crypto_sign_open(signed, raw)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


def _opens_at_once(signed: bytes, raw: bytes) -> bool:
    # What the binding calls, without a copy of the message, which nobody reads: the library takes a null for it.
    if len(raw) != KEY_BYTES[ED25519]:
        return False
    opened: int = _sodium.lib.crypto_sign_open(_NULL, _NULL, signed, len(signed), raw)
    return opened == 0


try:
    _sodium: Any = import_module("nacl._sodium")
    _NULL = _sodium.ffi.NULL
    _opens = _opens_at_once
except (ImportError, AttributeError):  # a PyNaCl that keeps its library elsewhere
    _opens = _opens_by_binding


def _bad_form(signature: bytes) -> bool:
    """Whether an Ed25519 signature's R is of small order or not canonical, or its S not below the order."""
    # Nearly every S is seen to be below the order by one byte.
    if signature[63] >= 0x10 and int.from_bytes(signature[32:], "little") >= _ED25519_ORDER:
        return True
    return _small_order_or_noncanonical(signature[:32])


def _verify_ed25519(key: PublicKey, signature: bytes, message: bytes) -> None:
    if _bad_form(signature) or not _opens(signature + message, key.raw):
        raise Refused("E_SIG", kid=key.kid)


def _verify_es256(key: PublicKey, signature: bytes, message: bytes) -> None:
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < _P256_ORDER and 0 < s <= _P256_HALF):
        raise Refused("E_SIG", kid=key.kid)
    try:
        _p256(key.raw).verify(_der(signature), message, _ECDSA_SHA256)
    except InvalidSignature:
        raise Refused("E_SIG", kid=key.kid) from None


_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())


def _der(signature: bytes) -> bytes:
    # The two numbers as the library wants them: without leading zeros, and with one where the first bit is set.
    r, s = signature[:32].lstrip(b"\0"), signature[32:].lstrip(b"\0")
    if r[0] & 0x80:
        r = b"\0" + r
    if s[0] & 0x80:
        s = b"\0" + s
    return b"\x30%c\x02%c%b\x02%c%b" % (4 + len(r) + len(s), len(r), r, len(s), s)


def low_s(signature: bytes) -> bytes:
    """An ES256 signature (r and s, 64 bytes) with s in the lower half: whoever signs gives this one of the two."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (s if s <= _P256_HALF else _P256_ORDER - s).to_bytes(32, "big")


class Signer(Protocol):
    """Something that signs with one key: software here, a hardware module elsewhere."""

    @property
    def public(self) -> PublicKey:
        """The key its signatures verify under."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A 64-byte signature over `message`."""
        ...


class SoftwareKey:
    """A private key in memory, made from 32 secret bytes; the same secret gives the same key and signatures.

    ES256 signatures are deterministic (RFC 6979) with s in the lower half.
    """

    def __init__(self, algorithm: int, secret: bytes) -> None:
        """Raises E_KEY for an unknown algorithm or a secret that is not 32 bytes long."""
        if algorithm not in KEY_BYTES or len(secret) != 32:
            raise Malformed("E_KEY", algorithm=algorithm, length=len(secret))
        self._secret = secret
        self._ed25519: Ed25519PrivateKey | None = None
        self._es256: ec.EllipticCurvePrivateKey | None = None
        if algorithm == ED25519:
            self._ed25519 = Ed25519PrivateKey.from_private_bytes(secret)
            raw = self._ed25519.public_key().public_bytes_raw()
        else:
            wide = hashlib.sha512(b"tenge-es256\0" + secret).digest()
            scalar = int.from_bytes(wide, "big") % (_P256_ORDER - 1) + 1
            self._es256 = ec.derive_private_key(scalar, ec.SECP256R1())
            raw = self._es256.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self._public = PublicKey(algorithm, raw)

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    @property
    def secret(self) -> bytes:
        """The 32 secret bytes, for a keystore to seal; never logged, never shown."""
        return self._secret

    def sign(self, message: bytes) -> bytes:
        """A deterministic 64-byte signature, verified before it is handed out."""
        if self._ed25519 is not None:
            signature = self._ed25519.sign(message)
        else:
            assert self._es256 is not None
            der = self._es256.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
            r, s = decode_dss_signature(der)
            signature = low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        self._public.verify(signature, message)
        return signature

    def __repr__(self) -> str:
        return f"SoftwareKey({self._public.kid.hex()[:16]})"


def check_quorum(threshold: int, allowed: frozenset[bytes], signed_by: list[bytes]) -> None:
    """Return if at least `threshold` different keys of `allowed` stand in `signed_by` (key ids, already verified).

    Raises E_QUORUM when too few do, and E_QUORUM_DUPLICATE when one key id is named twice.
    """
    if len(set(signed_by)) != len(signed_by):
        raise Refused("E_QUORUM_DUPLICATE", signatures=len(signed_by))
    present = sum(1 for kid in signed_by if kid in allowed)
    if present < threshold:
        raise Refused("E_QUORUM", present=present, needed=threshold)
