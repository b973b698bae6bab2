"""Keys and signatures (5.2, "Which keys are taken", "Which signatures are taken"), ids (ledger/1)."""

from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.second_ledger.errors import require

OFFLINE = b"kzt-dt/offline/v1\0"
ONLINE = b"kzt-dt/online/v1\0"
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SMALL = {
    0,
    1,
    P - 1,
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
}
N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def _y(point: bytes) -> int:
    """The 32 bytes as a little-endian number, the top bit cleared."""
    return int.from_bytes(point, "little") & (2**255 - 1)


@lru_cache(maxsize=65536)
def usable(algorithm: int, key: bytes) -> bool:
    """Whether a key is taken (5.2, "Which keys are taken")."""
    if algorithm == 1 and len(key) == 32:
        y = _y(key)
        if y >= P or y in SMALL:
            return False
        square = (y * y - 1) * (D * y * y + 1) % P
        return pow(square, (P - 1) // 2, P) in (0, 1)
    if algorithm == 2 and len(key) == 33:
        x = int.from_bytes(key[1:], "big")
        if key[0] not in (2, 3) or x >= P256:
            return False
        return pow((x**3 - 3 * x + B256) % P256, (P256 - 1) // 2, P256) in (0, 1)
    return False


def require_key(algorithm: int, key: bytes) -> None:
    """Refuse a key that is not taken with E_KEY."""
    require(usable(algorithm, key), "E_KEY")


def _ed25519(key: bytes, message: bytes, signature: bytes) -> bool:
    """Ed25519 without cofactor. OpenSSL compares the encoding of [S]B - [k]A with R, as the text asks."""
    y = _y(signature[:32])
    if int.from_bytes(signature[32:], "little") >= L or y >= P or y in SMALL:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _es256(key: bytes, message: bytes, signature: bytes) -> bool:
    """ES256 with the lower half of s only."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (1 <= r < N256 and 1 <= s <= (N256 - 1) // 2):
        return False
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def verifies(algorithm: int, key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is taken under a key (5.2, "Which signatures are taken")."""
    if not usable(algorithm, key) or len(signature) != 64:
        return False
    return (_ed25519 if algorithm == 1 else _es256)(key, message, signature)


def kid_of(algorithm: int, key: bytes) -> bytes:
    """The id of a key (ledger/1, "Keys")."""
    return sha256(OFFLINE + b"key\0" + bytes([algorithm]) + key).digest()


def object_id(domain: bytes, kind: int, network: bytes, body: bytes) -> bytes:
    """The id of an object (ledger/1, "Domains, ids, messages")."""
    return sha256(domain + bytes([kind]) + network + body).digest()


def message_of(domain: bytes, kind: int, identity: bytes) -> bytes:
    """What a key signs (ledger/1, "Domains, ids, messages")."""
    return domain + b"sig\0" + bytes([kind]) + identity
