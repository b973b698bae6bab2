"""An encrypted channel between two phones over BLE, begun by a QR code or a touch: who listens sees no money.

    inviter (the payee)                                   joiner (the payer)
      ENGAGEMENT  [48, suite, service, key, commitment]  ─QR, NFC─►
    ◄─BLE─  ANSWER  [49, key, nonce]
      REVEAL  [50, nonce]  ─BLE─►
      both: four digits, the same on both screens if nobody stands between

Each side makes a key for this one channel (X25519, or ECDH on P-256). From the shared secret and everything said so far
HKDF-SHA-256 makes one AES-256-GCM key for each direction and the comparison code. Rules kept here:

- **the code cannot be ground out.** The inviter commits to its nonce before it sees the joiner's, and the joiner shows
  its own before the inviter reveals: whoever stands between has one try in ten thousand, however fast it computes;
- **a record counts once and in its place.** Its number is in the nonce; a repeated, skipped or older one is refused
  (E_CHANNEL_ORDER), a changed one too (E_CHANNEL_SEAL), and the channel stays as it was;
- **nothing can be reflected.** Each direction has its own key;
- **no nonce is used twice.** Numbers only rise, keys live for one channel, an invitation makes one channel and no more
  (E_CHANNEL_USED), and a channel can be neither saved nor copied: after a crash there is a new engagement.

The channel hides amounts and keys from those who listen. It decides nothing: every message in it is judged as if it had
come in the open, because the person at the other end may be the attacker.

Source: DTO/1, section 5.15; the shape of ISO/IEC 18013-5 (engagement, then an encrypted session); RFC 7748, RFC 5869,
NIST SP 800-38D; the commitment as in Bluetooth's numeric comparison.
"""

import hashlib
import hmac
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.ports import Entropy
from cbdc.record import HASH, NONCE, Bytes, Group, Unsigned

DOMAIN = b"kzt-dt/channel/v1\0"

ENGAGEMENT = 48
ANSWER = 49
REVEAL = 50

X25519 = 1
P256 = 2
SUITES = {X25519: "X25519", P256: "P-256"}

CODE_DIGITS = 4
MAX_RECORDS = 2**32 - 1
NUMBER_BYTES = 4
TAG_BYTES = 16

_KEY_BYTES = {X25519: 32, P256: 33}
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_INVITER, _JOINER = 0, 1
_MESSAGE_BYTES = 256

# A key of any length: which one belongs to the suite is asked with E_CHANNEL_KEY.
_ENGAGEMENT = Group((Unsigned(ENGAGEMENT, ENGAGEMENT), Unsigned(X25519, P256), NONCE, Bytes(), HASH))
_ANSWER = Group((Unsigned(ANSWER, ANSWER), Bytes(), HASH))
_REVEAL = Group((Unsigned(REVEAL, REVEAL), HASH))


class Inviter:
    """The side that shows the engagement. One invitation makes one channel.

    `id` names this invitation among all of this device (it is the question put to `entropy`), `suite` is 1 (X25519) or
    2 (P-256).
    """

    def __init__(self, entropy: Entropy, id: bytes, suite: int = X25519) -> None:
        self._key = _Key(entropy, id, suite)
        self._nonce = entropy.bytes("channel.nonce", id, 32)
        service = entropy.bytes("channel.service", id, 16)
        commitment = _commitment(self._nonce)
        self.engagement = canonical.encode([ENGAGEMENT, suite, service, self._key.public, commitment])
        self._used = False

    def accept(self, answer: bytes) -> tuple[bytes, "Channel"]:
        """The REVEAL to send, and the channel, for the first right ANSWER.

        Raises E_CHANNEL_USED for a second one, and E_CHANNEL_KEY or a decoding error for what is no answer; the
        invitation then still stands.
        """
        if self._used:
            raise Refused("E_CHANNEL_USED")
        _, key, nonce = _opened(answer, _ANSWER, "answer")
        secret = self._key.shared_with(key)
        self._used = True
        reveal = canonical.encode([REVEAL, self._nonce])
        return reveal, _channel(_INVITER, secret, self.engagement, answer, self._nonce, nonce)


class Joiner:
    """The side that read the engagement: raises E_CHANNEL_KEY or a decoding error when it is none.

    `answer` goes to the inviter; its REVEAL makes the channel. `id` as for the inviter.
    """

    def __init__(self, entropy: Entropy, id: bytes, engagement: bytes) -> None:
        _, suite, self.service, key, self._commitment = _opened(engagement, _ENGAGEMENT, "engagement")
        self._engagement = engagement
        self._nonce = entropy.bytes("channel.nonce", id, 32)
        own = _Key(entropy, id, suite)
        self._secret = own.shared_with(key)
        self.answer = canonical.encode([ANSWER, own.public, self._nonce])
        self._used = False

    def finish(self, reveal: bytes) -> "Channel":
        """The channel, for the REVEAL that the engagement committed to.

        Raises E_CHANNEL_KEY for another one or what is none, E_CHANNEL_USED for a second.
        """
        if self._used:
            raise Refused("E_CHANNEL_USED")
        _, nonce = _opened(reveal, _REVEAL, "reveal")
        if not hmac.compare_digest(_commitment(nonce), self._commitment):
            raise Malformed("E_CHANNEL_KEY", problem="the reveal is not what the engagement committed to")
        self._used = True
        return _channel(_JOINER, self._secret, self._engagement, self.answer, nonce, self._nonce)


class Channel:
    """Seals what goes and opens what comes; `code` is for the two people to compare."""

    def __init__(self, sealing: bytes, opening: bytes, code: str) -> None:
        self.code = code
        self._sealing = AESGCM(sealing)
        self._opening = AESGCM(opening)
        self._sent = 0
        self._received = 0

    def seal(self, message: bytes) -> bytes:
        """The record that carries `message`: number (4 bytes), ciphertext, tag (16). E_CHANNEL_USED after 2^32 - 1."""
        if self._sent >= MAX_RECORDS:
            raise Refused("E_CHANNEL_USED")
        self._sent += 1
        number = self._sent.to_bytes(NUMBER_BYTES, "big")
        return number + self._sealing.encrypt(_nonce(number), message, number)

    def open(self, record: bytes) -> bytes:
        """The message in the next record.

        Raises E_CHANNEL_SEAL when it is no record of the other side or was changed on the way, E_CHANNEL_ORDER when it
        is repeated, late or early. The channel then still waits for the right one.
        """
        number, sealed = record[:NUMBER_BYTES], record[NUMBER_BYTES:]
        if len(sealed) < TAG_BYTES:
            raise Refused("E_CHANNEL_SEAL")
        try:
            message = self._opening.decrypt(_nonce(number), sealed, number)
        except InvalidTag:
            raise Refused("E_CHANNEL_SEAL") from None
        found = int.from_bytes(number, "big")
        if found != self._received + 1:
            raise Refused("E_CHANNEL_ORDER", number=found, expected=self._received + 1)
        self._received = found
        return message

    def __reduce__(self) -> Any:
        # A copy would use a nonce a second time.
        raise TypeError("a channel is neither saved nor copied")


class _Key:
    """A key for one channel."""

    def __init__(self, entropy: Entropy, id: bytes, suite: int) -> None:
        assert suite in SUITES, "no such suite"
        self.suite = suite
        self.secret: X25519PrivateKey | ec.EllipticCurvePrivateKey
        if suite == X25519:
            self.secret = X25519PrivateKey.from_private_bytes(entropy.bytes("channel.key", id, 32))
        else:
            # 40 bytes: what the reduction favours is then too small to matter (FIPS 186-5, A.2.1).
            number = int.from_bytes(entropy.bytes("channel.key", id, 40), "big")
            self.secret = ec.derive_private_key(number % (_P256_ORDER - 1) + 1, ec.SECP256R1())

    @property
    def public(self) -> bytes:
        """32 bytes (X25519) or 33 (P-256, compressed)."""
        public = self.secret.public_key()
        if isinstance(public, X25519PublicKey):
            return public.public_bytes_raw()
        return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def shared_with(self, peer: bytes) -> bytes:
        """The shared secret; E_CHANNEL_KEY for a key of the other suite, off the curve, or of small order."""
        if len(peer) != _KEY_BYTES[self.suite]:
            raise Malformed("E_CHANNEL_KEY", problem=f"a key of {len(peer)} bytes for {SUITES[self.suite]}")
        try:
            if isinstance(self.secret, X25519PrivateKey):
                return self.secret.exchange(X25519PublicKey.from_public_bytes(peer))
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer)
            return self.secret.exchange(ec.ECDH(), point)
        except ValueError:
            raise Malformed("E_CHANNEL_KEY", problem=f"the key is no point of {SUITES[self.suite]}") from None


def _opened(data: bytes, form: Group, name: str) -> tuple[Any, ...]:
    return form.load(canonical.decode_array(data, _MESSAGE_BYTES), name)


def _commitment(nonce: bytes) -> bytes:
    return hashlib.sha256(DOMAIN + b"commit\0" + nonce).digest()


def _nonce(number: bytes) -> bytes:
    return bytes(12 - NUMBER_BYTES) + number


def _channel(
    side: int, secret: bytes, engagement: bytes, answer: bytes, inviter: bytes, joiner: bytes
) -> Channel:
    said = b"".join(len(part).to_bytes(2, "big") + part for part in (engagement, answer, inviter, joiner))
    salt = hashlib.sha256(DOMAIN + b"said\0" + said).digest()

    def derived(purpose: bytes, size: int) -> bytes:
        return HKDF(SHA256(), size, salt, DOMAIN + purpose).derive(secret)

    keys = (derived(b"inviter", 32), derived(b"joiner", 32))
    code = int.from_bytes(derived(b"code", 8), "big") % 10**CODE_DIGITS
    return Channel(keys[side], keys[1 - side], f"{code:0{CODE_DIGITS}}")
