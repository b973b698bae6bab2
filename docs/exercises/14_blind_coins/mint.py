"""The mint of Otyrar, its books and the shops around it: the world of this exercise. Their code is weak on purpose.

book = FactorBook(seed=7)     what the mint sees of coins that were blinded with a careless wallet
book = PatternBook(seed=7)    what it sees of coins that were blinded well
mint = Mint(seed=7)           signs a coin after having half of the candidates opened, and is predictable
street = Street(seed=7)       six shops that take a coin offline, and a purse with one coin
"""

import hashlib
import math
import random
from collections.abc import Sequence

from blinding import Secret, blind, blind_sign, finalize, power, prepare
from named_coins import (
    CANDIDATES,
    PAIRS,
    Answer,
    Candidates,
    Coin,
    Opening,
    Purse,
    blinded_number,
    challenge_of,
    commitment,
    pair_of,
    sides,
    signature_fits,
)
from play_key import PLAY

NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Gulnar", "Timur")
SHOPS = ("bakery", "saddler", "tea", "felt", "melons", "smith", "salt", "books", "apples", "pharmacy")
COIN_TIYN = (20_000, 50_000, 100_000, 500_000)
"""What the coins are worth: 200, 500, 1 000 and 5 000 tenge; each value has a key of its own."""
WINDOW_MINUTES = 120
"""Who withdraws coins spends them within this time, or much later."""


class Refuses(ValueError):
    """What the mint or a shop says instead of yes."""


def identity_of(name: str) -> bytes:
    """The 32 bytes by which the mint knows a customer: in the real world, the id of a key."""
    return hashlib.sha256(b"customer\0" + name.encode()).digest()


class FactorBook:
    """Withdrawals and deposits of 500-tenge coins (RFC 9474). Some wallets blind every coin with the same factor.

    public         the mint's public key for this value
    withdrawals    [(customer, blinded)...]
    deposits       [(shop, prepared message, signature)...]
    """

    def __init__(self, seed: int, secret: Secret = PLAY) -> None:
        chance = random.Random(seed)
        self.public = secret.public
        names = chance.sample(NAMES, 4)
        careless = set(names[:2])
        factor_of = {name: chance.randrange(2, self.public[0]) for name in names}
        rows: list[tuple[str, bytes]] = []
        spent: list[tuple[str, str, bytes, bytes]] = []
        for name in (name for name in names for _ in range(chance.randrange(2, 4))):
            factor = factor_of[name] if name in careless else chance.randrange(2, self.public[0])
            prepared = prepare(chance.randbytes(32), chance.randbytes(32))
            blinded, inverse = blind(self.public, prepared, chance.randbytes(48), factor)
            signature = finalize(self.public, prepared, blind_sign(secret, blinded), inverse)
            rows.append((name, blinded))
            spent.append((name, chance.choice(SHOPS), prepared, signature))
        chance.shuffle(rows)
        chance.shuffle(spent)
        self.withdrawals = rows
        self.deposits = [row[1:] for row in spent]
        self.truth = {place: row[0] for place, row in enumerate(spent) if row[0] in careless}


class PatternBook:
    """A day at the mint, coins of several values, blinded well.

    withdrawals    [(customer, minute of the day, {value in tiyn: coins})...]
    deposits       [(shop, minute of the day, {value in tiyn: coins})...]
    """

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        names = chance.sample(NAMES, 8)
        crowd, lonely, late = names[:3], names[3:6], names[6:]
        usual = {100_000: chance.randrange(3, 6)}
        bundles: list[dict[int, int]] = [usual]
        while len(bundles) < 5:
            values = chance.sample(COIN_TIYN, 2)
            bundle = {value: chance.randrange(1, 8) for value in sorted(values)}
            if bundle not in bundles:
                bundles.append(bundle)
        noon = chance.randrange(600, 720)
        self.withdrawals = [(name, noon + chance.randrange(0, 30), dict(usual)) for name in crowd]
        spent = [(name, minute + chance.randrange(31, 80), usual, "") for name, minute, _ in self.withdrawals]
        for name, bundle in zip(lonely, bundles[1:4], strict=True):
            minute = noon + chance.randrange(-100, 100)
            self.withdrawals.append((name, minute, dict(bundle)))
            spent.append((name, minute + chance.randrange(5, WINDOW_MINUTES + 1), bundle, name))
        # One bundle that two people have on one day: one too early or after the deposit, the other in time.
        minute = noon + chance.randrange(-50, 50)
        self.withdrawals.append((late[0], minute, dict(bundles[4])))
        paid = minute + chance.randrange(10, 100)
        spent.append((late[0], paid, bundles[4], late[0]))
        other = chance.choice(
            (paid + chance.randrange(1, 30), paid - WINDOW_MINUTES - chance.randrange(1, 60))
        )
        self.withdrawals.append((late[1], other, dict(bundles[4])))
        chance.shuffle(spent)
        self.withdrawals.sort(key=lambda row: row[1])
        self.deposits = [(chance.choice(SHOPS), minute, dict(bundle)) for _, minute, bundle, _ in spent]
        self.truth = {place: name for place, (_, _, _, name) in enumerate(spent) if name}


class Mint:
    """Signs one coin at a time. Which candidates it has opened follows from the number of the withdrawal.

    public       the mint's key
    you          your identity, 32 bytes
    neighbour    another customer's identity
    """

    SHOWN = ("public", "you", "neighbour")
    CALLS = ("next_number", "withdraw", "show")

    def __init__(self, seed: int, secret: Secret = PLAY) -> None:
        chance = random.Random(seed)
        self._secret = secret
        self.public = secret.public
        you, neighbour = chance.sample(NAMES, 2)
        self.you, self.neighbour = identity_of(you), identity_of(neighbour)
        self._number = chance.randrange(100, 10_000)
        self._waiting: list[int] = []
        self.signed = 0

    def next_number(self) -> int:
        """The number that the next withdrawal will get."""
        return self._number

    def _places(self) -> list[int]:
        return [place for place in range(CANDIDATES) if (place * 7 + self._number) % 4 in {0, 3}]

    def withdraw(self, blinded: Sequence[int]) -> list[int]:
        """Bring the blinded candidates of a coin; the places that are to be opened, in ascending order."""
        if len(set(blinded)) != CANDIDATES:
            raise Refuses(f"a coin needs {CANDIDATES} different candidates")
        self._waiting = list(blinded)
        return self._places()

    def show(self, openings: Sequence[Opening]) -> int:
        """Show what is behind the places asked for; the mint's number for the product of the others."""
        if not self._waiting:
            raise Refuses("nothing was withdrawn")
        for place, (a, left, right, factor) in zip(self._places(), openings, strict=True):
            pair = pair_of(self.you, a, left, right)
            if blinded_number(self.public, pair, factor) != self._waiting[place]:
                raise Refuses(f"candidate {place} is not what you say")
        opened = set(self._places())
        rest = [number for place, number in enumerate(self._waiting) if place not in opened]
        self._waiting, self._number, self.signed = [], self._number + 1, self.signed + 1
        return power(self._secret, math.prod(rest) % self.public[0])


def purse_for(secret: Secret, identities: Sequence[bytes], chance: random.Random) -> Purse:
    """A coin of a mint that signs what it gets, without opening anything."""
    candidates = Candidates(secret.public, identities, chance)
    product = math.prod(candidates.blinded) % secret.public[0]
    return candidates.finish(range(len(identities)), power(secret, product))


class Street:
    """Six shops without a network. Each asks for one half of every pair, and keeps what it gets.

    public    the mint's key
    purse     your coin and what you know of it (`Purse`)
    """

    SHOWN = ("public", "purse")
    CALLS = ("shops", "ask", "pay")

    def __init__(self, seed: int, secret: Secret = PLAY) -> None:
        chance = random.Random(seed)
        self.public = secret.public
        self.you = identity_of(chance.choice(NAMES))
        self.purse = purse_for(secret, [self.you] * PAIRS, chance)
        self._shops = chance.sample(SHOPS, 6)
        self._hurried = set(chance.sample(self._shops, 2))
        self._day = chance.randbytes(16)
        self._chance = chance
        self._asked: dict[str, tuple[bytes, bytes]] = {}
        self.taken: list[tuple[str, bytes, Coin, tuple[Answer, ...]]] = []

    def shops(self) -> list[str]:
        """Their names."""
        return list(self._shops)

    def ask(self, shop: str) -> bytes:
        """The challenge of a shop, 32 bytes: out of its name and a nonce, as it should be, or of less."""
        if shop not in self._shops:
            raise Refuses("there is no such shop")
        name, nonce = shop.encode(), self._chance.randbytes(16)
        if shop in self._hurried:  # "the day will do"
            name, nonce = b"", self._day
        self._asked[shop] = name, nonce
        return challenge_of(name, nonce)

    def pay(self, shop: str, coin: Coin, answers: Sequence[Answer]) -> None:
        """Pay with a coin, or Refuses. Nobody here can know what the next shop took."""
        if shop not in self._asked:
            raise Refuses("ask first")
        challenge = challenge_of(*self._asked[shop])
        if not signature_fits(self.public, coin) or len(coin[0]) != PAIRS:
            raise Refuses("this is no coin of the mint's")
        for pair, side, (half, salt) in zip(coin[0], sides(challenge), answers, strict=True):
            if commitment(side, half, salt) != pair[side]:
                raise Refuses("a half does not fit")
        if shop in {one for one, *_ in self.taken}:
            raise Refuses("we have that coin already")
        self.taken.append((shop, challenge, coin, tuple(answers)))
