"""The wrapped amount. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        what happens at the granary
"""

from collections.abc import Sequence

from granary import Granary, Refusal

MOST_TIYN = 2**53 - 1


def example_honest_payment(granary: Granary) -> None:
    """A worked example: half to a friend, the rest back to yourself."""
    have = granary.balance("narrow", granary.you)
    granary.pay("narrow", [(granary.friends[0], have // 2), (granary.you, have - have // 2)])


# --- part 1: attacks. Each makes money out of nothing at one desk. ---


def wrap(granary: Granary) -> None:
    """Pay at the desk "narrow" so that there is more money at it than before, and more of it is yours."""
    raise NotImplementedError("TODO")


def owe(granary: Granary) -> None:
    """Pay at the desk "trusting" so that you have more than before: somebody else pays it without knowing."""
    raise NotImplementedError("TODO")


def crumble(granary: Granary) -> None:
    """Split payments at the desk "fair" until your friends together got at least one tenge more than you paid.

    You are given as many splits as you like; choose amounts and weights.
    """
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


class Wrong(Exception):
    """What your functions raise, with the reason."""


def check_outputs(have_tiyn: int, outputs: Sequence[object]) -> None:
    """Return if these amounts may be paid out of `have_tiyn`; raise Wrong otherwise.

    An amount is a whole number of tiyn from 1 to MOST_TIYN; True is no amount. There are 1 to 16 of them, and they add
    up to `have_tiyn` exactly. `outputs` comes from a stranger: it should be a list, as in check_outputs(100, [60, 40]);
    it may hold anything, and be anything.
    """
    raise NotImplementedError("TODO")


def share_out(amount_tiyn: int, weights: Sequence[int]) -> list[int]:
    """The shares of an amount by weights: whole tiyn that add up to it exactly, whatever the weights.

    Each share is first rounded down. The tiyn that are left go one each to the largest fractions that were cut off; of
    equal fractions, to the one that stands first. A weight of 0 gets nothing. Raise Wrong for an amount outside 0 to
    MOST_TIYN, a weight that is no whole number from 0 to 1,000,000, no weights, or weights that are all 0.
    """
    raise NotImplementedError("TODO")


def read_tenge(text: str) -> int:
    """The amount in tiyn that a person typed in tenge: `1500`, `1 500`, `1500.5`, `12 975.50`.

    Digits 0 to 9; groups of three may be separated by one space each; after a dot, one or two digits. Spaces around it
    do not matter, nor zeros before it. At most MOST_TIYN. Raise Wrong for everything else: signs, letters, empty text,
    other digits, other separators, wrong groups, three digits after the dot. No float.
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    for attack, desk in ((wrap, "narrow"), (owe, "trusting"), (crumble, "fair")):
        here = Granary(seed=7)
        before, mine = here.total(desk), here.balance(desk, here.you)
        try:
            attack(here)
        except NotImplementedError:
            print(f"{desk:<10}not written yet")
        except Refusal as refusal:
            print(f"{desk:<10}refused: {refusal}")
        else:
            print(
                f"{desk:<10}money {before} -> {here.total(desk)}, yours {mine} -> {here.balance(desk, here.you)}"
            )
