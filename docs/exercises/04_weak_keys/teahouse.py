"""A teahouse on the road to Turkistan, and its till: the world of this exercise. The till's code is weak on purpose.

Guests pay with slips. A slip says who is to get how much, and a guest's key signs it; the till pays it out in cash and
hangs it on a nail. Once a year each guest gets one hundredth of his slips back. You are Aldar Kose.

    till = Till(seed=7)
    till.book()                      {name: (algorithm, public key)}
    till.slips()                     [(payer, slip, signature)...] that hang on the nail, paid
    till.hand_in(payer, slip, signature)    the tiyn paid out, or TillRefuses
    till.register(name, algorithm, raw)     writes a key into the book
    till.cash_back(name)             the tiyn paid back for the slips that this name's key signed
"""

import hashlib
import random
from collections.abc import Sequence

from by_hand import (
    ED25519,
    ES256,
    P256_ORDER,
    SMALL_ORDER_Y,
    ed25519_holds,
    es256_holds,
    es256_key,
    es256_sign,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cbdc import canonical

Slip = tuple[str, int, int]
"""Who is to get it, how many tiyn, and the slip's number."""

ALDAR = "Aldar Kose"
GUESTS = ("Zhirenshe", "Karashash", "Bolat", "Saule", "Marat", "Dana", "Erlan", "Aigerim")
# The eight points of small order: somebody told the owner about them, and he copied them as bytes from the page.
_KNOWN_BAD = {
    (SMALL_ORDER_Y[0]).to_bytes(32, "little"),
    (SMALL_ORDER_Y[0] | 1 << 255).to_bytes(32, "little"),
    (SMALL_ORDER_Y[1]).to_bytes(32, "little"),
    (SMALL_ORDER_Y[2]).to_bytes(32, "little"),
    *((y | odd << 255).to_bytes(32, "little") for y in SMALL_ORDER_Y[3:] for odd in (0, 1)),
}


class TillRefuses(ValueError):
    """What the till says instead of paying."""


def slip_message(slip: Sequence[object]) -> bytes:
    """The bytes that a payer signs."""
    return b"teahouse/slip/v1\0" + canonical.encode(list(slip))


def possession_message(name: str, algorithm: int, raw: bytes) -> bytes:
    """The bytes that a key signs to show that its holder has it, and wants it under this name."""
    return b"teahouse/key/v1\0" + canonical.encode([name, algorithm, raw])


def holds(algorithm: int, raw: bytes, signature: bytes, message: bytes) -> bool:
    """The till's check of a signature: by hand for Ed25519, by a library for ES256."""
    if len(signature) != 64:
        return False
    if algorithm == ED25519:
        return ed25519_holds(raw, signature, message)
    return es256_holds(raw, signature, message)


class Till:
    """One day at the till; the same seed gives the same day.

    your_secret    the 32 secret bytes of your Ed25519 key; the book has its public half under "Aldar Kose"
    card           the guest who pays with the cheap card that signs by ES256
    """

    SHOWN = ("your_secret", "card")
    CALLS = ("book", "slips", "hand_in", "register", "cash_back", "paid_tiyn")

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._book: dict[str, tuple[int, bytes]] = {}
        self._nail: list[tuple[str, Slip, bytes]] = []
        self._paid: dict[bytes, int] = {}
        self._given_back: set[tuple[str, int]] = set()
        self._cash: dict[str, int] = {}
        self._numbers = self._chance.randrange(100, 9_000)
        self.events: list[tuple[str, tuple[object, ...]]] = []
        self.your_secret = self._chance.randbytes(32)
        guests = self._chance.sample(GUESTS, 4)
        self.card = guests[0]
        self._secrets: dict[str, int | bytes] = {
            name: self._chance.randrange(1, P256_ORDER) if place < 2 else self._chance.randbytes(32)
            for place, name in enumerate(guests)
        }
        for name, secret in {ALDAR: self.your_secret, **self._secrets}.items():
            algorithm = ES256 if isinstance(secret, int) else ED25519
            self._book[name] = (algorithm, es256_key(secret) if isinstance(secret, int) else _public(secret))
        self._open(guests)
        self.first_book = dict(self._book)
        self.first_nail = tuple(self._nail)
        self.first_cash = dict(self._cash)
        self.events.clear()

    def _open(self, guests: list[str]) -> None:
        """The slips of the morning: each guest pays you and others; the card uses one nonce twice."""
        stuck = self._chance.randrange(1, P256_ORDER)
        orders = [(payer, payee) for payer in guests for payee in (ALDAR, *guests) if payee != payer]
        orders += [(self.card, guests[1]), (self.card, guests[2])]
        self._chance.shuffle(orders)
        cards = [place for place, (payer, _) in enumerate(orders) if payer == self.card]
        twice = set(self._chance.sample(cards, 2))
        for place, (payer, payee) in enumerate(orders):
            self._numbers += self._chance.randrange(1, 9)
            slip = (payee, 100 * self._chance.randrange(900, 14_000), self._numbers)
            message, secret = slip_message(slip), self._secrets[payer]
            if isinstance(secret, int):
                nonce = stuck if place in twice else self._chance.randrange(1, P256_ORDER)
                signature = es256_sign(secret, message, nonce)
            else:
                signature = Ed25519PrivateKey.from_private_bytes(secret).sign(message)
            self.hand_in(payer, slip, signature)

    def book(self) -> dict[str, tuple[int, bytes]]:
        """Every name and the key that stands under it."""
        return dict(self._book)

    def slips(self) -> list[tuple[str, Slip, bytes]]:
        """What hangs on the nail: every slip that was paid, with its payer and signature. Everybody can read it."""
        return list(self._nail)

    def paid_tiyn(self, name: str) -> int:
        """How much cash the till has given to a name."""
        return self._cash.get(name, 0)

    def hand_in(self, payer: str, slip: Sequence[object], signature: bytes) -> int:
        """Pay a slip; the tiyn paid."""
        payee, amount_tiyn, number = slip
        if not (isinstance(payee, str) and isinstance(amount_tiyn, int) and isinstance(number, int)):
            raise TillRefuses("this is no slip")
        if payer not in self._book:
            raise TillRefuses(f"nobody called {payer} stands in the book")
        if not 0 < amount_tiyn <= 5_000_000:
            raise TillRefuses("no slip is worth that")
        message = slip_message(slip)
        if not holds(*self._book[payer], signature, message):
            raise TillRefuses("the signature is not right")
        identity = hashlib.sha256(message + signature).digest()  # one slip, one payment
        if identity in self._paid:
            raise TillRefuses("this slip was paid already")
        self._paid[identity] = amount_tiyn
        self._nail.append((payer, (payee, amount_tiyn, number), signature))
        self._cash[payee] = self._cash.get(payee, 0) + amount_tiyn
        key = self._book[payer]
        self.events.append(("paid", (payer, (payee, amount_tiyn, number), signature, key)))
        return amount_tiyn

    def register(self, name: str, algorithm: int, raw: bytes) -> None:
        """Write a key into the book under a name."""
        if (algorithm, len(raw)) not in {(ED25519, 32), (ES256, 33)}:
            raise TillRefuses("no key is that long")
        if raw in _KNOWN_BAD:
            raise TillRefuses("this is one of the eight bad keys")
        self._book[name] = (algorithm, raw)
        self.events.append(("registered", (name, algorithm, raw)))

    def cash_back(self, name: str) -> int:
        """One hundredth of every slip that the key under this name signed, once; the tiyn paid back."""
        if name not in self._book:
            raise TillRefuses(f"nobody called {name} stands in the book")
        back_tiyn, found = 0, []
        for place, (_, slip, signature) in enumerate(self._nail):
            if (name, place) not in self._given_back and holds(
                *self._book[name], signature, slip_message(slip)
            ):
                self._given_back.add((name, place))
                found.append(place)
                back_tiyn += slip[1] // 100
        self._cash[name] = self._cash.get(name, 0) + back_tiyn
        self.events.append(("back", (name, self._book[name], tuple(found), back_tiyn)))
        return back_tiyn


def _public(secret: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
