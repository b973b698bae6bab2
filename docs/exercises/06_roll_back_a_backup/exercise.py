"""Roll a device back. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        a day at the stall, and a phone of your own
"""

from pocket import Bank, Chip, Cut, Phone, State, Store, digest, pack
from repairs import Refusal, Stall

from cbdc.record import Signed
from offline.records import SyncRequest, Transfer


def example_buy_once(stall: Stall) -> str:
    """A worked example: pay the first shop with the largest note, honestly; the note's name."""
    notes = stall.held()
    note = max(notes, key=lambda one: notes[one])
    stall.pay(note, stall.shops[0])
    return note


# --- part 1: attacks on the weak phone ---


def spend_again(stall: Stall) -> str:
    """Pay two shops with one note; the note's name."""
    raise NotImplementedError("TODO")


def hide_a_taking(stall: Stall) -> int:
    """Take the customer's payment, spend it, and let the phone report that nothing was taken; its report, in tiyn."""
    raise NotImplementedError("TODO")


def guess_the_pin(stall: Stall) -> str:
    """Find the PIN of four digits: a year of birth from 1950 to 2009. The phone must be unlocked with it at the end."""
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


class Stale(Exception):
    """No slot holds the newest state. Nothing is signed and nothing is judged any more."""


class Wrong(Exception):
    """This payment cannot be made; nothing has changed."""


class Blocked(Exception):
    """Three wrong PINs: no more is judged, not even the right one."""


def wake(store: Store, chip: Chip) -> State:
    """The newest state, as the chip knows it, from either slot. Stale when neither slot holds it. Writes nothing."""
    raise NotImplementedError("TODO")


def pay(store: Store, chip: Chip, order: str, note: str, payee: str) -> tuple[bytes, bytes]:
    """Pay with a whole note: (message, signature), the message made by `pocket.message`.

    The same order again gives the same two, for ever. Wrong: another note or payee under a used order; a note that the
    phone does not hold. Stale as `wake`. Let `Cut` pass: whoever was cut off asks again with the same order.
    """
    raise NotImplementedError("TODO")


def take(store: Store, chip: Chip, note: str, amount_tiyn: int) -> int:
    """Take a note that somebody paid; what the phone holds then, in tiyn. A note once seen is not taken again."""
    raise NotImplementedError("TODO")


def try_pin(store: Store, chip: Chip, pin: str) -> bool:
    """Whether it is the PIN. `chip.pin_is` judges at most three wrong tries in a row, whatever is cut or put back.

    A right one sets the tries back. Blocked after three wrong ones. Stale as `wake`.
    """
    raise NotImplementedError("TODO")


def recover(bank: Bank, device: str, backup: State) -> int:
    """The bank's desk: a phone is lost, its owner brings a backup of it. Refund what is due now; its sum in tiyn.

    Revoke first. What is due follows from what the bank knows. May be cut, and is then called again.
    """
    raise NotImplementedError("TODO")


# --- part 3: what a rollback leaves behind ---


def read_papers(first: Signed[Transfer | SyncRequest], second: Signed[Transfer | SyncRequest]) -> list[int]:
    """Which of the evidence types 1, 2, 3 two papers prove against the one device that signed both; sorted."""
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    for attack in (example_buy_once, spend_again, hide_a_taking, guess_the_pin):
        try:
            print(f"{attack.__name__:<18}{attack(Stall(seed=7))}")
        except NotImplementedError:
            print(f"{attack.__name__:<18}not written yet")
        except Refusal as refusal:
            print(f"{attack.__name__:<18}refused: {refusal}")
    phone = Phone({"N1": 500_00, "N2": 900_00}, cuts=[("advance", "after")])
    print("The chip knows slot a:", digest(phone.store.read("a")) == phone.chip.held()[1])
    print("A state in bytes:", pack({"number": 1, "notes": {}}))
    old = dict(phone.store.slots)
    for shop in ("Koktal", "Koktal", "Basar"):  # cut off, asked again, and then with the old state put back
        if shop == "Basar":
            phone.store.slots = old
        try:
            print(f"{shop:<18}{pay(phone.store, phone.chip, 'order for ' + shop, 'N1', shop)[0]!r}")
        except (NotImplementedError, Cut, Stale, Wrong) as error:
            print(f"{shop:<18}{error!r}")
