"""Frame an honest shop. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        a town, your five papers, and what becomes of them
"""

from dataclasses import replace

from townhall import CLERKS, Town, turned

from cbdc.authority import Root
from cbdc.errors import TengeError
from cbdc.record import Signed, sign


def example_accuse_with_nothing(town: Town) -> bytes:
    """A worked example: two honest payments of the shop, called a double spend. No clerk believes it."""
    first, second = sorted(town.spent[:2], key=lambda one: one.oid)
    certificate = town.certificates[town.shop]
    return town.file([1, certificate.envelope(), first.envelope(), second.envelope()])


# --- part 1: one file for each careless clerk, that makes him condemn `town.shop` ---


def for_twins(town: Town) -> bytes:
    """He compares papers by their signatures, and takes any signature that the curve takes (`townhall.turned`)."""
    raise NotImplementedError("TODO")


def for_cover(town: Town) -> bytes:
    """He believes the cover sheet, a last item [[previous, index], [previous, index]], over the papers."""
    raise NotImplementedError("TODO")


def for_paper(town: Town) -> bytes:
    """He believes any certificate. Yours may be signed with any key, and name any key."""
    raise NotImplementedError("TODO")


def for_voice(town: Town) -> bytes:
    """He lets a certified friend sign for the accused: the friend's certificate is a last item."""
    raise NotImplementedError("TODO")


def for_calendar(town: Town) -> bytes:
    """He does not ask what came first: a file [3, 2, certificate, statement, transfer]."""
    raise NotImplementedError("TODO")


def read_refusals(town: Town, files: list[bytes]) -> list[str]:
    """Hand each file to `town.product`, and return in order what became of it, one text a file.

    "proven" when it proves something. Else the code that the refusal's reason begins with: `error.facts["problem"]` of
    "E_SIG: ..." gives "E_SIG". The refusal's own code when its reason begins with none, or when it has no reason.
    """
    raise NotImplementedError("TODO")


# --- part 2: the court ---


class NotProven(Exception):
    """The file proves nothing against anybody."""


def verdict(file: bytes, root: Signed[Root]) -> tuple[int, bytes, int]:
    """(type, the guilty device's key id, tiyn at stake) for E1 and for form 2 of E3, as the page says.

    Raise NotProven for everything else; a refusal of the house (TengeError) may pass too. Nothing else may be raised,
    whatever the bytes are.
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    here = Town(seed=7)
    nobody = here.judge("twins", example_accuse_with_nothing(here))
    print(f"{here.you} accuses {here.shop} with nothing. Condemned: {nobody or 'nobody'}")
    for clerk, make in zip(CLERKS, (for_twins, for_cover, for_paper, for_voice, for_calendar), strict=True):
        try:
            file = make(here)
        except NotImplementedError:
            print(f"{clerk:<10}not written yet")
            continue
        print(f"{clerk:<10}condemns {here.judge(clerk, file) or 'nobody'}")
        try:
            print(f"{'':<10}the product: {here.product(file)}")
        except TengeError as error:
            print(f"{'':<10}the product: {error}")
    print("To change a field and sign again:", replace.__name__, sign.__name__, turned.__name__)
