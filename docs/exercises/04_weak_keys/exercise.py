"""Malleable signatures and weak keys. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        what the till pays for your attacks
"""

from collections.abc import Mapping

from by_hand import ED25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from teahouse import ALDAR, Till, slip_message


class Refused(Exception):
    """What `verify` and `admit` raise, with the reason."""


def your_key(till: Till) -> Ed25519PrivateKey:
    """Your own key."""
    return Ed25519PrivateKey.from_private_bytes(till.your_secret)


def example_take_over_a_name(till: Till) -> int:
    """A worked example: write your key under another guest's name, and sign a slip for him. Returns the tiyn paid."""
    raw = your_key(till).public_key().public_bytes_raw()
    till.register(till.card, ED25519, raw)
    slip = (ALDAR, 250_000, 1)
    return till.hand_in(till.card, slip, your_key(till).sign(slip_message(slip)))


# --- part 1: attacks. Each returns the tiyn that the till paid you for it. ---


def second_paper(till: Till) -> int:
    """Take an ES256 slip to you that hangs on the nail, make a second signature out of its own, and be paid again.

    You know no secret of the payer's. Returns what `hand_in` returned.
    """
    raise NotImplementedError("TODO")


def longer_number(till: Till) -> int:
    """The same with an Ed25519 slip of another guest's: its S, as another number. Returns what `hand_in` returned."""
    raise NotImplementedError("TODO")


def one_for_all(till: Till) -> int:
    """Register a key under your name whose one signature fits every slip, and hand in two slips with it.

    Payer is your name, payee whom you like, the two amounts differ, the 64 bytes of the signature do not. The till
    knows eight such keys by heart. Returns the sum that the two calls of `hand_in` returned.
    """
    raise NotImplementedError("TODO")


def anothers_slips(till: Till) -> int:
    """Collect the cash-back of another guest's slips, under your own name. Returns what `cash_back` returned."""
    raise NotImplementedError("TODO")


def card_secret(till: Till) -> int:
    """Find the secret number of the card (`till.card`), which used one nonce for two slips on the nail.

    Sign a new slip to you with it, hand it in under the card's name, and return what `hand_in` returned.
    """
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


def verify(algorithm: int, raw: bytes, signature: bytes, message: bytes) -> None:
    """Return if `signature` (64 bytes) is a right signature of the key `raw` over `message`; raise Refused if not.

    Algorithm 1 is Ed25519 with a key of 32 bytes, 2 is ES256 with a compressed point of 33 bytes; there is no other.
    The rule is on the page. Any bytes may come; nothing but `Refused` may be raised.
    """
    raise NotImplementedError("TODO")


def admit(book: Mapping[str, tuple[int, bytes]], name: str, algorithm: int, raw: bytes, proof: bytes) -> None:
    """Return if the key may be written into the book under this name; raise Refused if not.

    `book` maps names to (algorithm, raw). `proof` must be the key's own signature over
    `possession_message(name, algorithm, raw)`. Nobody takes over a name, and a key stands under one name only; who
    brings the key that stands under the name already is let in again.
    """
    raise NotImplementedError("TODO")


def payment_id(message: bytes, signature: bytes) -> bytes:
    """32 bytes that name a payment: the same for every signature that could be made of one, another for other slips."""
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    for attack in (
        example_take_over_a_name,
        second_paper,
        longer_number,
        one_for_all,
        anothers_slips,
        card_secret,
    ):
        day = Till(seed=7)
        try:
            print(f"{attack.__name__:<26} {attack(day) / 100:>12,.2f} tenge")
        except NotImplementedError:
            print(f"{attack.__name__:<26} not written yet")
