"""A solution of exercise 4. Students: this is where the fun ends."""

import hashlib
from collections.abc import Mapping

import nacl.bindings
import nacl.exceptions
from by_hand import (
    ED25519,
    ED25519_ORDER,
    ES256,
    FIELD_PRIME,
    P256_ORDER,
    SMALL_ORDER_Y,
    digest_number,
    es256_key,
    es256_sign,
)
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from teahouse import ALDAR, Till, possession_message, slip_message


class Refused(Exception):
    """No signature, or no key."""


def second_paper(till: Till) -> int:
    """If s fits, n - s fits too."""
    book = till.book()
    payer, slip, signature = next(
        one for one in till.slips() if book[one[0]][0] == ES256 and one[1][0] == ALDAR
    )
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return till.hand_in(payer, slip, signature[:32] + s.to_bytes(32, "big"))


def longer_number(till: Till) -> int:
    """S counts multiples of the base point, and after the group order they begin again."""
    book = till.book()
    payer, slip, signature = next(
        one for one in till.slips() if book[one[0]][0] == ED25519 and one[1][0] == ALDAR
    )
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    return till.hand_in(payer, slip, signature[:32] + s.to_bytes(32, "little"))


def one_for_all(till: Till) -> int:
    """The neutral point once more, with y written as the prime plus one."""
    till.register(ALDAR, ED25519, (FIELD_PRIME + 1).to_bytes(32, "little"))
    signature = (1).to_bytes(32, "little") + bytes(32)
    return till.hand_in(ALDAR, (ALDAR, 100_000, 1), signature) + till.hand_in(
        ALDAR, (ALDAR, 900_000, 2), signature
    )


def anothers_slips(till: Till) -> int:
    """A public key is public: nobody asks whether it is ours."""
    till.register(ALDAR, *till.book()[till.card])
    return till.cash_back(ALDAR)


def card_secret(till: Till) -> int:
    """Two equations with two unknowns, the nonce and the secret."""
    raw = till.book()[till.card][1]
    seen: dict[bytes, tuple[int, int]] = {}
    for payer, slip, signature in till.slips():
        if payer != till.card:
            continue
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        e = digest_number(slip_message(slip))
        if signature[:32] in seen:
            other_s, other_e = seen[signature[:32]]
            nonce = (e - other_e) * pow(s - other_s, -1, P256_ORDER) % P256_ORDER
            secret = (s * nonce - e) * pow(r, -1, P256_ORDER) % P256_ORDER
            assert es256_key(secret) == raw
            mine = (ALDAR, 777_700, 1)
            return till.hand_in(till.card, mine, es256_sign(secret, slip_message(mine), 4_242))
        seen[signature[:32]] = s, e
    raise Refused("no nonce stands twice")


def _check_point(data: bytes) -> None:
    y = int.from_bytes(data, "little") & (2**255 - 1)
    if y >= FIELD_PRIME or y in SMALL_ORDER_Y:
        raise Refused("a point of small order, or written in another way")


def _verify_ed25519(raw: bytes, signature: bytes, message: bytes) -> None:
    _check_point(raw)
    _check_point(signature[:32])
    if int.from_bytes(signature[32:], "little") >= ED25519_ORDER:
        raise Refused("S is not below the order")
    try:
        nacl.bindings.crypto_sign_open(signature + message, raw)
    except (nacl.exceptions.BadSignatureError, ValueError) as error:
        raise Refused("the signature is wrong") from error


def verify(algorithm: int, raw: bytes, signature: bytes, message: bytes) -> None:
    """One rule for both libraries."""
    if len(signature) != 64:
        raise Refused("a signature has 64 bytes")
    if algorithm == ED25519 and len(raw) == 32:
        _verify_ed25519(raw, signature, message)
    elif algorithm == ES256 and len(raw) == 33 and raw[0] in {2, 3}:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not (0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2):
            raise Refused("r or s is out of range")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError) as error:
            raise Refused("the signature or the key is wrong") from error
    else:
        raise Refused("there is no such key")


def admit(book: Mapping[str, tuple[int, bytes]], name: str, algorithm: int, raw: bytes, proof: bytes) -> None:
    """The key shows that its holder has it and wants it here."""
    verify(algorithm, raw, proof, possession_message(name, algorithm, raw))
    if book.get(name, (algorithm, raw)) != (algorithm, raw):
        raise Refused("the name is taken")
    if any(key == (algorithm, raw) for other, key in book.items() if other != name):
        raise Refused("the key stands under another name")


def payment_id(message: bytes, signature: bytes) -> bytes:
    """What was signed names the payment, not the signature."""
    return hashlib.sha256(b"payment\0" + message).digest()
