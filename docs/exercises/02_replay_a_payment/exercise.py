"""Replay a payment. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        an evening at the teahouse
"""

import hashlib
from collections.abc import Mapping

from ledgerbook import Book, Diary, Order, Road
from teahouse import Cut, Refusal, Silence, Teahouse, read, write

NETWORK = b"teahouse"
PURPOSE = "payment"


def example_read_what_was_heard(teahouse: Teahouse) -> int:
    """A worked example: how much the guests have paid you, from the messages that you heard."""
    return sum(read(message)[2] for message in teahouse.heard)


# --- part 1: attacks. Each makes the till pay you once more than it should. ---


def with_another_number(teahouse: Teahouse) -> None:
    """Be paid again for a message that you heard, on the same day."""
    raise NotImplementedError("TODO")


def tomorrow(teahouse: Teahouse) -> None:
    """Be paid again for a message that you heard, without changing one byte of it."""
    raise NotImplementedError("TODO")


def with_play_money(teahouse: Teahouse) -> None:
    """Turn the play money of the practice till into money."""
    raise NotImplementedError("TODO")


def with_a_slip(teahouse: Teahouse) -> None:
    """Turn the host's signed slip, which is no payment, into one."""
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


class Wrong(Exception):
    """The order is refused, with the reason; nothing has changed."""


class Reused(Exception):
    """The number was used for another order."""


def message(network: bytes, purpose: str, number: bytes, payer: str, payee: str, amount_tiyn: int) -> bytes:
    """What a payer signs: bytes that differ whenever one of the six fields differs, whatever the fields hold."""
    raise NotImplementedError("TODO")


def handle(order: Order, keys: Mapping[str, bytes], book: Book) -> str:
    """The till: book an order once, and answer the same to the same order for ever.

    `keys` are the raw Ed25519 keys by name; `book` is all that survives a power cut. The signature must be the payer's,
    over `message` of the six fields, for NETWORK and PURPOSE, an amount from 1, and the payer must have it. Raise Wrong
    for anything else. For another order under a number that was booked raise Reused, whoever sends it.

    The answer is any text you like, as long as it is the same again. Let `Cut` pass: it is the power, not you.
    """
    raise NotImplementedError("TODO")


def pay(payer: str, payee: str, amount_tiyn: int, sign: "Pen", diary: Diary, road: Road) -> str:
    """The payer's phone: make an order and send it; the till's answer. `sign.sign(bytes)` gives the signature.

    Whatever is cut, lost or sent again, the payee must get the amount once. Let `Cut` and `Silence` pass.
    """
    raise NotImplementedError("TODO")


def resume(diary: Diary, road: Road) -> list[str]:
    """After the phone was switched on again: bring every open order to its end; the answers, the oldest first."""
    raise NotImplementedError("TODO")


class Pen:
    """What signs; the grader's has the same method."""

    def sign(self, data: bytes) -> bytes:
        """A signature of 64 bytes over `data`."""
        raise Refusal("only the grader has a pen here")


if __name__ == "__main__":
    for attack in (with_another_number, tomorrow, with_play_money, with_a_slip):
        evening = Teahouse(seed=7)
        before = evening.balance(evening.you)
        try:
            attack(evening)
        except NotImplementedError:
            print(f"{attack.__name__:<22}not written yet")
        except (Refusal, Cut, Silence) as error:
            print(f"{attack.__name__:<22}refused: {error}")
        else:
            print(f"{attack.__name__:<22}you have {evening.balance(evening.you) - before} tiyn more")
    print("a digest:", hashlib.sha256(NETWORK).hexdigest()[:16])
    print("a message:", write("Dana", "Bolat", 1_00, 5, bytes(64)).hex())
