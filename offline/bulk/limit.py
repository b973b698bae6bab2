"""The yardstick of bulk reconciliation: the same signatures in plain loops, with the same libraries, on all cores.

What a loop is given is ready for its library: keys parsed, messages built, nothing to decode. So its time is the
signatures' own, and no reconciliation can be faster. It is measured in processes of its own, all at once.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import nacl.bindings
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cbdc.keys import ED25519, Question
from cbdc.ports import processor_stopwatch, stopwatch

PRODUCT = "product"
"""PyNaCl for Ed25519 and cryptography for ES256: what `cbdc.keys` uses."""
CRYPTOGRAPHY = "cryptography"


def loop(questions: Sequence[Question], library: str = PRODUCT) -> tuple[float, float]:
    """Seconds by the clock and of this processor for one plain loop over sound signatures."""
    ready = []
    keys: dict[tuple[int, bytes], Ed25519PublicKey | ec.EllipticCurvePublicKey] = {}
    sodium: list[tuple[bytes, bytes]] = []
    for algorithm, raw, signature, message in questions:
        if algorithm == ED25519 and library == PRODUCT:
            sodium.append((signature + message, raw))
            continue
        key = keys.get((algorithm, raw))
        if key is None:
            key = keys[algorithm, raw] = (
                Ed25519PublicKey.from_public_bytes(raw)
                if algorithm == ED25519
                else ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            )
        ready.append((key, signature if algorithm == ED25519 else _der(signature), message))
    hashed = ec.ECDSA(hashes.SHA256())
    began, worked = stopwatch(), processor_stopwatch()
    for both, raw in sodium:
        nacl.bindings.crypto_sign_open(both, raw)
    for key, signature, message in ready:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, hashed)
    return stopwatch() - began, processor_stopwatch() - worked


def _der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def on_all_cores(questions: Sequence[Question], cores: int, library: str = PRODUCT) -> tuple[float, float]:
    """Signatures a second by the clock, and processor seconds a signature, for so many loops at once."""
    shares = [list(questions[number::cores]) for number in range(cores)]
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(loop, [share[:8] for share in shares]))
        times = list(pool.map(loop, shares, [library] * cores))
    return len(questions) / max(wall for wall, _ in times), sum(work for _, work in times) / len(questions)
