"""A coin that names its double spender, after Chaum, Fiat and Naor (1988). For teaching, **not for production**.

A coin has PAIRS pairs of commitments. Behind one pair lie two halves of the holder's identity: `a`, which is random,
and `a xor identity`. One half says nothing, both say who. Who is paid asks for one half of each pair, by a challenge.
Whoever spends the coin once shows one half of each; whoever spends it twice, at two challenges, shows both of some.

The bank signs without seeing. It gets twice as many blinded candidates, has half of them opened, and signs the product
of the others. The signature is plain RSA over hashes as long as the modulus: PSS has no products.
"""

import hashlib
import math
import random
from collections.abc import Sequence

from blinding import Public, modulus_bytes

PAIRS = 16
CANDIDATES = 2 * PAIRS

Pair = tuple[bytes, bytes]
"""The commitments to the left and the right half, 32 bytes each."""
Coin = tuple[tuple[Pair, ...], bytes]
"""The pairs in ascending order, and the bank's signature of their product."""
Opening = tuple[bytes, bytes, bytes, int]
"""What is behind a candidate: the left half `a`, the salts of left and right, the blinding factor."""
Answer = tuple[bytes, bytes]
"""One half of a pair and its salt."""


def xor(one: bytes, other: bytes) -> bytes:
    """Two texts of one length, bit by bit."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def commitment(side: int, half: bytes, salt: bytes) -> bytes:
    """The commitment to a half: side 0 is left, 1 is right."""
    return hashlib.sha256(b"coin/half\0" + bytes([side]) + half + salt).digest()


def pair_of(identity: bytes, a: bytes, left_salt: bytes, right_salt: bytes) -> Pair:
    """The pair that hides an identity."""
    return commitment(0, a, left_salt), commitment(1, xor(a, identity), right_salt)


def pair_number(public: Public, pair: Pair) -> int:
    """The number that stands for a pair, as long as the modulus."""
    size = modulus_bytes(public) + 16
    data = hashlib.shake_256(b"coin/pair\0" + pair[0] + pair[1]).digest(size)
    return int.from_bytes(data, "big") % public[0]


def blinded_number(public: Public, pair: Pair, factor: int) -> int:
    """What the bank sees of a candidate."""
    return pair_number(public, pair) * pow(factor, public[1], public[0]) % public[0]


def signature_fits(public: Public, coin: Coin) -> bool:
    """Whether the signature is of the product of the coin's pairs. Nothing else is asked."""
    pairs, signature = coin
    product = math.prod(pair_number(public, pair) for pair in pairs) % public[0]
    return pow(int.from_bytes(signature, "big"), public[1], public[0]) == product


def coin_id(coin: Coin) -> bytes:
    """The name of a coin: a hash of its pairs, in their order."""
    return hashlib.sha256(b"coin/id\0" + b"".join(left + right for left, right in coin[0])).digest()


def challenge_of(shop: bytes, nonce: bytes) -> bytes:
    """What a shop asks: 32 bytes out of its name and a nonce that it uses once."""
    return hashlib.sha256(b"coin/ask\0" + shop + b"\0" + nonce).digest()


def sides(challenge: bytes, count: int = PAIRS) -> list[int]:
    """Which half of each pair is asked for: 0 left, 1 right."""
    number = int.from_bytes(challenge, "big")
    return [number >> place & 1 for place in range(count)]


class Candidates:
    """What a customer prepares for one coin: candidates, one identity each (honest: its own, every time)."""

    def __init__(self, public: Public, identities: Sequence[bytes], chance: random.Random) -> None:
        self._public = public
        self.identities = tuple(identities)
        self.openings: list[Opening] = [
            (
                chance.randbytes(32),
                chance.randbytes(32),
                chance.randbytes(32),
                chance.randrange(2, public[0]),
            )
            for _ in identities
        ]
        self.pairs = [
            pair_of(identity, *opening[:3])
            for identity, opening in zip(self.identities, self.openings, strict=True)
        ]
        self.blinded = [
            blinded_number(public, pair, opening[3])
            for pair, opening in zip(self.pairs, self.openings, strict=True)
        ]

    def finish(self, signed: Sequence[int], blind_signature: int) -> "Purse":
        """The coin out of the candidates that were not opened and the bank's number for their product."""
        n = self._public[0]
        factors = math.prod(self.openings[place][3] for place in signed) % n
        signature = blind_signature * pow(factors, -1, n) % n
        order = sorted(signed, key=lambda place: self.pairs[place])
        coin = (
            tuple(self.pairs[place] for place in order),
            signature.to_bytes(modulus_bytes(self._public), "big"),
        )
        return Purse(coin, [(self.identities[place], *self.openings[place][:3]) for place in order])


class Purse:
    """A coin, and what its holder knows of it: for each pair the identity, the left half and the two salts."""

    def __init__(self, coin: Coin, secrets: Sequence[tuple[bytes, bytes, bytes, bytes]]) -> None:
        self.coin, self.secrets = coin, tuple(secrets)

    def answers(self, challenge: bytes) -> tuple[Answer, ...]:
        """One half of each pair, as the challenge asks."""
        asked = sides(challenge, len(self.secrets))
        return tuple(
            (xor(a, identity), right) if side else (a, left)
            for side, (identity, a, left, right) in zip(asked, self.secrets, strict=True)
        )
