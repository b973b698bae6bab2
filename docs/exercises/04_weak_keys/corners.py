"""Signatures and keys at the corners, right and wrong, for the grader of this exercise; all from a seed.

`cbdc.keys` is the judge: each corner says whether it must be taken, and the checks ask the product the same.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from by_hand import (
    BASE,
    ED25519,
    ED25519_ORDER,
    ES256,
    FIELD_PRIME,
    P256_ORDER,
    add,
    challenge,
    decode,
    encode,
    es256_sign,
    times,
)
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from teahouse import possession_message, slip_message

from cbdc.keys import SoftwareKey

ONE = (1).to_bytes(32, "little")
PLACES = ("Turkistan", "Kentau", "Sauran", "Otyrar", "Shayan")


@dataclass(frozen=True, slots=True)
class Corner:
    """One question to `verify`: its story (a key of words.toml), the four arguments, and whether it must be taken."""

    story: str
    algorithm: int
    raw: bytes
    signature: bytes
    message: bytes
    right: bool = False


class Corners:
    """Keys of both algorithms, messages, and what can be made of them."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.ed, self.es = (SoftwareKey(kind, self._chance.randbytes(32)) for kind in (ED25519, ES256))
        self._small = _small_points()

    def message(self) -> bytes:
        """What somebody signs."""
        place, number = self._chance.choice(PLACES), self._chance.randrange(10**6)
        return slip_message((place, self._chance.randrange(1, 10**6), number))

    def _signed(self, key: SoftwareKey, story: str, message: bytes) -> Corner:
        public = key.public
        return Corner(story, public.algorithm, public.raw, key.sign(message), message, right=True)

    def honest(self) -> Iterator[Corner]:
        """Right signatures: ordinary ones, of no bytes and of many, and numbers that begin with zeros."""
        for key in (self.ed, self.es):
            yield self._signed(key, "ordinary", self.message())
            yield self._signed(key, "of_no_bytes", b"")
            yield self._signed(key, "of_many_bytes", self._chance.randbytes(3_000))
        yield self._signed(SoftwareKey(ED25519, self._chance.randbytes(32)), "ordinary", self.message())
        for byte in (0, 32):
            while True:
                one = self._signed(self.es, "begins_with_zeros", self.message())
                if one.signature[byte] == 0:
                    break
            yield one
        for low in (2, 3):  # both parities of the compressed point
            while (key := SoftwareKey(ES256, self._chance.randbytes(32))).public.raw[0] != low:
                pass
            yield self._signed(key, "ordinary", self.message())

    def second_writings(self) -> Iterator[Corner]:
        """Signatures made of a right one without the secret."""
        for key, story in ((self.es, "the_other_s"), (self.ed, "s_and_the_order"), (self.ed, "s_and_orders")):
            message = self.message()
            signature = key.sign(message)
            if key is self.es:
                s = P256_ORDER - int.from_bytes(signature[32:], "big")
                tail = s.to_bytes(32, "big")
            else:
                more = 1 if story == "s_and_the_order" else self._chance.randrange(2, 14)
                s = int.from_bytes(signature[32:], "little") + more * ED25519_ORDER
                tail = s.to_bytes(32, "little")
            yield self._of(key, story, signature[:32] + tail, message)
        message = self.message()
        signature = self.es.sign(message)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        yield self._of(self.es, "as_der", encode_dss_signature(r, s), message)
        yield self._of(self.ed, "one_byte_more", self.ed.sign(message) + b"\0", message)
        yield self._of(self.es, "one_byte_more", signature + b"\0", message)
        yield from self._uncompressed(signature, message)

    def _uncompressed(self, signature: bytes, message: bytes) -> Iterator[Corner]:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.es.public.raw)
        raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        yield Corner("a_key_of_65_bytes", ES256, raw, signature, message)

    @staticmethod
    def _of(key: SoftwareKey, story: str, signature: bytes, message: bytes) -> Corner:
        return Corner(story, key.public.algorithm, key.public.raw, signature, message)

    def weak_keys(self) -> Iterator[Corner]:
        """Keys of small order in all their writings, each with a signature that fits this message by hand."""
        writings = [(point, encode(point)) for point in self._small]
        for y in (0, 1):
            for odd in (0, 1):
                written = (y + FIELD_PRIME | odd << 255).to_bytes(32, "little")
                point = decode(written)
                assert point is not None
                writings.append((point, written))
        for number in (1 | 1 << 255, FIELD_PRIME - 1 | 1 << 255):
            written = number.to_bytes(32, "little")
            point = decode(written)
            assert point is not None
            writings.append((point, written))
        for _, raw in writings:
            message = self.message()
            while challenge(ONE, raw, message) % 8:
                message = self.message()
            yield Corner("a_key_of_small_order", ED25519, raw, ONE + bytes(32), message)
            # With a base point in R nothing about R is strange: only the key is.
            nonce = self._chance.randrange(1, ED25519_ORDER)
            r = encode(times(nonce, BASE))
            while challenge(r, raw, message) % 8:
                message = self.message()
            signature = r + nonce.to_bytes(32, "little")
            yield Corner("a_key_of_small_order", ED25519, raw, signature, message)

    def strange_keys(self) -> Iterator[Corner]:
        """What is no key of either algorithm."""
        message = self.message()
        ed, es = self.ed.sign(message), self.es.sign(message)
        off = self._off_curve()
        yield Corner("a_key_off_the_curve", ED25519, off, ed, message)
        yield Corner("a_key_off_the_curve", ES256, self._off_p256(), es, message)
        yield Corner("a_key_of_another_length", ED25519, self.ed.public.raw[:-1], ed, message)
        yield Corner("a_key_of_another_length", ED25519, self.ed.public.raw + b"\0", ed, message)
        yield Corner("a_key_of_another_length", ES256, self.es.public.raw[1:], es, message)
        yield Corner("a_key_of_another_length", ES256, b"\0", es, message)
        yield Corner("a_key_of_another_length", ES256, b"", es, message)
        for algorithm in (0, 3, 255, -1):
            yield Corner("an_unknown_algorithm", algorithm, self.ed.public.raw, ed, message)
        yield Corner("the_other_algorithm", ES256, self.ed.public.raw, ed, message)
        yield Corner("the_other_algorithm", ED25519, self.es.public.raw, es, message)

    def _off_curve(self) -> bytes:
        while True:
            raw = bytearray(self._chance.randbytes(32))
            raw[31] &= 0x3F
            if decode(bytes(raw)) is None:
                return bytes(raw)

    def _off_p256(self) -> bytes:
        while True:
            raw = b"\2" + self._chance.randbytes(32)
            try:
                ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            except ValueError:
                return raw

    def strange_points(self) -> Iterator[Corner]:
        """An ordinary key and an R that is none: its holder can make these, so that libraries disagree."""
        secret = self._chance.randrange(1, ED25519_ORDER)
        raw, message = encode(times(secret, BASE)), self.message()
        for r in (ONE, (FIELD_PRIME + 1).to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little")):
            s = challenge(r, raw, message) * secret % ED25519_ORDER
            yield Corner("r_of_small_order", ED25519, raw, r + s.to_bytes(32, "little"), message)
        # Right only if both sides are multiplied by eight.
        torsion = next(point for point in self._small if encode(point) != ONE)
        nonce = self._chance.randrange(1, ED25519_ORDER)
        r = encode(add(times(nonce, BASE), torsion))
        s = (nonce + challenge(r, raw, message) * secret) % ED25519_ORDER
        yield Corner("right_only_times_eight", ED25519, raw, r + s.to_bytes(32, "little"), message)

    def wrong(self) -> Iterator[Corner]:
        """Signatures that are simply not this key's over this message."""
        for key in (self.ed, self.es):
            message = self.message()
            signature = key.sign(message)
            other = SoftwareKey(key.public.algorithm, self._chance.randbytes(32))
            yield self._of(key, "another_message", signature, self.message())
            yield self._of(other, "another_key", signature, message)
            place = self._chance.randrange(64)
            flipped = bytearray(signature)
            flipped[place] ^= 1 << self._chance.randrange(3)
            yield self._of(key, "one_bit", bytes(flipped), message)
            yield self._of(key, "another_length", b"", message)
            yield self._of(key, "another_length", signature[:-1], message)
            yield self._of(key, "zeros", bytes(64), message)
            yield self._of(key, "no_r", bytes(32) + signature[32:], message)
            yield self._of(key, "no_s", signature[:32] + bytes(32), message)
            yield self._of(key, "all_ones", b"\xff" * 64, message)

    # --- the register ---

    def registrations(self) -> list[tuple[str, tuple[object, ...], bool]]:
        """(story, arguments of `admit`, whether it must be let in)."""
        people = self._chance.sample(("Zhibek", "Tolegen", "Kozy", "Bayan", "Kobylandy", "Kurtka"), 4)
        keys = {
            name: SoftwareKey(1 + place % 2, self._chance.randbytes(32)) for place, name in enumerate(people)
        }
        book = {name: (keys[name].public.algorithm, keys[name].public.raw) for name in people[:2]}
        first, second, third, fourth = people
        rows: list[tuple[str, tuple[object, ...], bool]] = []

        def ask(story: str, name: str, raw_of: str, proof: bytes, right: bool = False) -> None:
            public = keys[raw_of].public
            rows.append((story, (dict(book), name, public.algorithm, public.raw, proof), right))

        def proof(name: str, raw_of: str, by: str = "") -> bytes:
            public = keys[raw_of].public
            return keys[by or raw_of].sign(possession_message(name, public.algorithm, public.raw))

        ask("a_new_guest", third, third, proof(third, third), True)
        ask("a_new_guest", fourth, fourth, proof(fourth, fourth), True)
        ask("the_same_again", first, first, proof(first, first), True)
        ask("the_same_again", second, second, proof(second, second), True)
        ask("no_proof", third, third, b"")
        ask("no_proof", fourth, fourth, bytes(64))
        ask("proof_by_another", third, third, proof(third, third, fourth))
        ask("proof_by_another", fourth, fourth, proof(fourth, fourth, third))
        ask("proof_for_another_name", fourth, third, proof(third, third))
        ask("anothers_key_and_proof", third, first, proof(first, first))
        ask("anothers_key_and_proof", fourth, second, proof(second, second))
        ask("name_is_taken", first, third, proof(first, third))
        ask("name_is_taken", second, fourth, proof(second, fourth))
        ask("key_is_taken", third, first, proof(third, first))
        ask("key_is_taken", fourth, second, proof(fourth, second))
        rows.extend(self._more_registrations(book, third, keys[third], keys[fourth]))
        self._chance.shuffle(rows)
        return rows

    def _more_registrations(
        self, book: dict[str, tuple[int, bytes]], name: str, ed: SoftwareKey, es: SoftwareKey
    ) -> Iterator[tuple[str, tuple[object, ...], bool]]:
        public = ed.public
        spent = ed.sign(slip_message((name, 1, 1)))
        yield "signature_of_a_slip", (dict(book), name, public.algorithm, public.raw, spent), False
        message = possession_message(name, es.public.algorithm, es.public.raw)
        signature = es.sign(message)
        s = P256_ORDER - int.from_bytes(signature[32:], "big")
        twin = signature[:32] + s.to_bytes(32, "big")
        yield "proof_in_a_second_writing", (dict(book), name, ES256, es.public.raw, twin), False
        for raw in (ONE, (FIELD_PRIME + 1).to_bytes(32, "little")):
            arguments = (dict(book), name, ED25519, raw, ONE + bytes(32))
            yield "a_key_of_small_order", arguments, False


def twins(chance: random.Random) -> list[tuple[bytes, list[bytes]]]:
    """Messages, near one another, each with several signatures that a naive till takes."""
    found = []
    secret, nonce = chance.randrange(1, P256_ORDER), chance.randrange(1, P256_ORDER)
    ed = SoftwareKey(ED25519, chance.randbytes(32))
    amount, number = chance.randrange(1_000, 9_000), chance.randrange(1_000)
    places = chance.sample(PLACES, 2)
    for slip in [(place, amount + a, number + b) for place in places for a in range(3) for b in range(3)]:
        message = slip_message(slip)
        one = es256_sign(secret, message, nonce)
        s = int.from_bytes(one[32:], "big")
        two = ed.sign(message)
        t = int.from_bytes(two[32:], "little") + ED25519_ORDER
        signatures = [one, one[:32] + (P256_ORDER - s).to_bytes(32, "big")]
        signatures += [es256_sign(secret, message, nonce + 1), two, two[:32] + t.to_bytes(32, "little")]
        found.append((message, signatures))
    chance.shuffle(found)
    return found


def _small_points() -> list[tuple[int, int, int, int]]:
    """The eight points of small order."""
    for y in range(2, 100):
        point = decode(y.to_bytes(32, "little"))
        if point is None:
            continue
        torsion = times(ED25519_ORDER, point)
        if encode(times(4, torsion)) != ONE:
            return [times(count, torsion) for count in range(8)]
    raise AssertionError("there is one")


KINDS: dict[str, Callable[[Corners], Iterator[Corner]]] = {
    "second": Corners.second_writings,
    "weak": Corners.weak_keys,
    "strange": Corners.strange_keys,
    "points": Corners.strange_points,
    "wrong": Corners.wrong,
}
