"""Clone a device. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        one village, and what you found in it
"""

from collections.abc import Iterable, Mapping, Sequence

from village import Village

from cbdc.authority import Authority, Root
from cbdc.record import Signed
from offline.records import DeviceCertificate, Outpoint, Transfer

# Who signed twice (key id), what was spent twice, and the ids of the two transfers, the smaller one first.
DoubleSpend = tuple[bytes, Outpoint, bytes, bytes]


def example_who_paid_the_shops(village: Village) -> list[str]:
    """A worked example: whose devices signed the transfers that the two shops hold."""
    found = {
        village.names[transfer.record.payer] for shop in village.shops for transfer in village.held(shop)
    }
    return sorted(found)


# --- part 1: the attack ---


def spend_twice(village: Village, amount_tiyn: int) -> str:
    """Clone the device of `village.cheat` and pay `amount_tiyn` at both shops with the same money, once each device.

    Return what the clone says of itself: `village.kind(...)`.
    """
    raise NotImplementedError("TODO")


# --- part 2: the investigation ---


def find_double_spends(
    transfers: Iterable[Signed[Transfer]], certificates: Mapping[bytes, Signed[DeviceCertificate]]
) -> list[DoubleSpend]:
    """One row for each pair of transfers that prove a double spend; `certificates` are by key id.

    The transfers come in any order, some of them more than once. Anybody may have written some of them: before you
    accuse somebody, ask whether it was his device that signed. Nobody honest may stand in the list.
    """
    raise NotImplementedError("TODO")


def write_evidence(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """The evidence file E1 (DOUBLE_SPEND) as canonical bytes, made by hand: its form stands on the page.

    It is the same file whichever transfer comes first.
    """
    raise NotImplementedError("TODO")


def name_the_cheats(files: Sequence[bytes], root: Signed[Root], names: Mapping[bytes, str]) -> list[str]:
    """The names, each once and sorted, of those whom these files prove guilty; files that prove nothing name nobody."""
    raise NotImplementedError("TODO")


def investigate(village: Village) -> list[str]:
    """From what the two shops hold to the names of the cheats: your functions, one after the other."""
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    saty = Village(seed=7)
    saty.live()
    saty.load(saty.cheat, 3_000)
    print("The shops were paid by", ", ".join(example_who_paid_the_shops(saty)))
    try:
        print("The clone says:", spend_twice(saty, 300_000))
        print("Named:", investigate(saty))
    except NotImplementedError:
        print("Something is not written yet.")
    print("The cheat was", saty.cheat)
