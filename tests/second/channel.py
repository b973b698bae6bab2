"""An encrypted channel under either flow (5.15, "An encrypted channel")."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import keys
from .mpc import Value, as_bytes, as_int, as_list, decode
from .objects import B16, B32, Form, Num, Raw, check_form
from .refusal import Refusal, need

LABEL = b"kzt-dt/channel/v1\0"
LIMIT = 256
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KEY = Raw(tuple(range(LIMIT)))  # its length is asked with E_CHANNEL_KEY
_FORMS: dict[str, list[Form]] = {
    "engagement": [Num(48, 48), Num(1, 2), B16, _KEY, B32],
    "answer": [Num(49, 49), _KEY, B32],
    "reveal": [Num(50, 50), B32],
}


def read(name: str, data: bytes) -> list[Value]:
    """ENGAGEMENT, ANSWER or REVEAL."""
    items = as_list(decode(data, LIMIT))
    forms = _FORMS[name]
    need(len(items) == len(forms), "E_FIELD")
    for item, form in zip(items, forms, strict=True):
        check_form(item, form)
    return items


def secret(suite: int, private: bytes, public: bytes) -> bytes:
    """The ECDH secret: RFC 7748, or the x of the shared point of P-256."""
    need(len(public) == 31 + suite, "E_CHANNEL_KEY", "length")
    if suite == 1:
        try:
            other = X25519PublicKey.from_public_bytes(public)
            return X25519PrivateKey.from_private_bytes(private).exchange(other)
        except ValueError as error:
            raise Refusal("E_CHANNEL_KEY", "small order") from error
    need(keys.usable(keys.ES256, public), "E_CHANNEL_KEY", "off the curve")
    number = int.from_bytes(private, "big") % (_ORDER - 1) + 1
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    return ec.derive_private_key(number, ec.SECP256R1()).exchange(ec.ECDH(), point)


class Channel:
    """One side, after both nonces are known."""

    def __init__(self, shared: bytes, said: list[bytes], side: str) -> None:
        """Salt and keys from what was said (5.15)."""
        joined = b"".join(len(piece).to_bytes(2, "big") + piece for piece in said)
        self.shared = shared
        self.salt = hashlib.sha256(LABEL + b"said\0" + joined).digest()
        sender = "joiner" if side == "inviter" else "inviter"
        self.receive = AESGCM(self.derive(sender.encode(), 32))
        self.next = 1

    def derive(self, name: bytes, size: int) -> bytes:
        """HKDF-SHA-256 of the ECDH secret."""
        return HKDF(SHA256(), size, self.salt, LABEL + name).derive(self.shared)

    def code(self) -> str:
        """The four digits that people compare."""
        return f"{int.from_bytes(self.derive(b'code', 8), 'big') % 10_000:04}"

    def open(self, record: bytes) -> bytes:
        """A record: its seal first, then whether it is the next one."""
        need(len(record) >= 20, "E_CHANNEL_SEAL", "cut")
        number = record[:4]
        try:
            plain = self.receive.decrypt(b"\0" * 8 + number, record[4:], number)
        except InvalidTag as error:
            raise Refusal("E_CHANNEL_SEAL") from error
        need(int.from_bytes(number, "big") == self.next, "E_CHANNEL_ORDER")
        self.next += 1
        return plain


def play(case: dict[str, Any]) -> None:
    """The check `channel` (8): the bytes take the place of one message; what comes after it is not played."""
    place, side = case["place"], case["side"]
    data = bytes.fromhex(case["bytes"])
    said = {name: bytes.fromhex(case[name]) for name in _FORMS}
    if place in said:
        said[place] = data
    private, nonce = (bytes.fromhex(case["secrets"][name]) for name in ("key", "nonce"))
    engagement = read("engagement", said["engagement"])
    suite = as_int(engagement[1])
    if side == "inviter":
        answer = read("answer", said["answer"])
        shared = secret(suite, private, as_bytes(answer[1]))
        nonces = [nonce, as_bytes(answer[2])]
    else:
        shared = secret(suite, private, as_bytes(engagement[3]))
        if place == "engagement":
            return
        reveal = as_bytes(read("reveal", said["reveal"])[1])
        fits = hashlib.sha256(LABEL + b"commit\0" + reveal).digest() == engagement[4]
        need(fits, "E_CHANNEL_KEY", "commitment")
        nonces = [reveal, nonce]
    if place != "record":
        return
    channel = Channel(shared, [said["engagement"], said["answer"], *nonces], side)
    for before in case.get("before", []):
        channel.open(bytes.fromhex(before))
    plain = channel.open(data)
    need(plain.hex() == case.get("plain", plain.hex()), "E_MISMATCH", "plain")
    need(channel.code() == case.get("code", channel.code()), "E_MISMATCH", "code")
