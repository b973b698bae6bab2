"""The teahouse at the crossroads: the world and the weak code of this lab.

Its till was written by the owner's nephew. A payment is signed, and still it can be made twice: the till signs too
little, remembers too little, and forgets at night. These weaknesses stand here and nowhere else.

    teahouse = Teahouse(seed=7)
    teahouse.you                     your name; you can only be paid
    teahouse.heard                   messages of payments to you that the till has booked
    teahouse.practice                a message from the practice till across the road, where money is play money
    teahouse.slip                    (payer, payee, amount_tiyn, signature): somebody confirmed to owe you nothing more
    teahouse.send(message)           the till's answer, or Refusal raised
    teahouse.close_for_the_night()   and open again
    teahouse.balance(name)           tiyn
"""

import random

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey, public_key
from cbdc.ports import SeededEntropy

NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")


class Refusal(Exception):
    """The till says no; the text says why."""


class Cut(Exception):
    """The power went, in the middle of a call. What was stored is stored, what was not is not."""


class Silence(Exception):
    """No answer came. Whether the message arrived, nobody knows."""


def weak_message(payer: str, payee: str, amount_tiyn: int) -> bytes:
    """What people sign here: three fields, and not for what, where, or which time."""
    return canonical.encode([payer, payee, amount_tiyn])


def write(payer: str, payee: str, amount_tiyn: int, number: int, signature: bytes) -> bytes:
    """A message to the till: the number stands beside the signature, not under it."""
    return canonical.encode([payer, payee, amount_tiyn, number, signature])


def read(message: bytes) -> tuple[str, str, int, int, bytes]:
    """(payer, payee, amount_tiyn, number, signature); Refusal when it is no message."""
    try:
        payer, payee, amount_tiyn, number, signature = canonical.decode_array(message)
    except (TengeError, ValueError) as error:
        raise Refusal("no message") from error
    return payer, payee, amount_tiyn, number, signature  # type: ignore[return-value]


class Teahouse:
    """A till, the people at it, and you, who have overheard some things; the same seed gives the same day."""

    SHOWN = ("you", "heard", "practice", "slip")
    CALLS = ("send", "close_for_the_night", "balance")

    def __init__(self, seed: int) -> None:
        chance, entropy = random.Random(seed), SeededEntropy(seed)
        self.you, self.host, *guests = chance.sample(NAMES, 5)
        self._keys = {
            name: SoftwareKey(ED25519, entropy.bytes("guest", name.encode())) for name in (self.host, *guests)
        }
        self._money = {
            name: chance.randrange(400_000_00, 900_000_00) for name in (self.you, self.host, *guests)
        }
        self._seen: set[int] = set()
        self.nights = 0
        self.sent: list[
            tuple[int, bytes, str]
        ] = []  # (nights so far, message, what the till said: "" for booked)
        messages = []
        for guest in guests:
            amount_tiyn = chance.randrange(500_00, 20_000_00)
            signature = self._keys[guest].sign(weak_message(guest, self.you, amount_tiyn))
            messages.append(write(guest, self.you, amount_tiyn, chance.randrange(1, 10**6), signature))
        self.heard: tuple[bytes, ...] = tuple(messages)
        for message in messages:
            self._book(message)
        played_tiyn = chance.randrange(100_000_00, 300_000_00)
        signature = self._keys[guests[0]].sign(weak_message(guests[0], self.you, played_tiyn))
        self.practice = write(guests[0], self.you, played_tiyn, chance.randrange(1, 10**6), signature)
        owed_tiyn = chance.randrange(20_000_00, 90_000_00)
        signature = self._keys[self.host].sign(weak_message(self.host, self.you, owed_tiyn))
        self.slip = (self.host, self.you, owed_tiyn, signature)

    def balance(self, name: str) -> int:
        """What somebody has, in tiyn."""
        return self._money.get(name, 0)

    def close_for_the_night(self) -> None:
        """The till is switched off and on: the numbers that it has seen were only in its memory."""
        self._seen.clear()
        self.nights += 1

    def send(self, message: bytes) -> str:
        """Hand a message to the till: "booked", or Refusal raised."""
        try:
            self._book(message)
        except Refusal as refusal:
            self.sent.append((self.nights, message, str(refusal)))
            raise
        self.sent.append((self.nights, message, ""))
        return "booked"

    def _book(self, message: bytes) -> None:
        payer, payee, amount_tiyn, number, signature = read(message)
        if payer not in self._keys or payee not in self._money:
            raise Refusal("somebody nobody knows")
        if number in self._seen:
            raise Refusal("this number was paid today")
        try:
            key = self._keys[payer].public
            public_key(key.algorithm, key.raw).verify(signature, weak_message(payer, payee, amount_tiyn))
        except TengeError as error:
            raise Refusal("that is not the payer's signature") from error
        if self._money[payer] < amount_tiyn:
            raise Refusal("not enough money")
        self._seen.add(number)
        self._money[payer] -= amount_tiyn
        self._money[payee] += amount_tiyn
