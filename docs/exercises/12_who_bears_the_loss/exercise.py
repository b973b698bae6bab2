"""Who bears the loss. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        the laboratory's measures of the town of seed 7, and your argument
"""

from collections.abc import Mapping, Sequence

from careless import Office, branch_id
from loss_town import MEASURES, PARTIES, Town

Fork = Mapping[str, object]
Table = Mapping[str, Mapping[str, int]]


def example_two_branches(office: Office) -> tuple[int, list[int]]:
    """A worked example: an odd number of tiyn and two branches. What the careless office pays is one tiyn too much."""
    value_tiyn = office.least_tiyn | 1
    return value_tiyn, office.pro_rata(value_tiyn, 2)


# --- part 1: attacks on a careless office, and one on the idea itself ---


def off_balance(office: Office) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two pairs (value in tiyn, number of branches): where `office.pro_rata` makes most money, and where it loses most.

    Values from `least_tiyn` to `most_tiyn`, 2 to `most_branches` branches. The gain and the loss are counted in tiyn:
    all shares together against the value.

    Hint: what matters of a value is its remainder by the number of branches.
    """
    raise NotImplementedError("TODO")


def grind(office: Office) -> bytes:
    """A reference of 32 bytes with which the payment to `office.friend` wins the lot against all of `office.honest`.

    Hint: `branch_id(office.friend, reference)` is its branch; `office.draw([...])` tells who wins. Try many.
    """
    raise NotImplementedError("TODO")


def dilute(office: Office) -> int:
    """How many branches the ring must make beside the one of a shop, so that the shop keeps at most `target_tiyn`.

    The fewest. The output of `value_tiyn` is divided equally among all branches, and broken tiyn go to the ring's.

    Hint: with k branches of the ring and one of the shop the shop keeps `value_tiyn // (k + 1)`.
    """
    raise NotImplementedError("TODO")


def let_the_bank_pay(office: Office) -> tuple[int, int, int]:
    """A plan under WATERFALL in which the thief's bank bears the whole loss, and the loss is as large as it can be.

    Returns (what the thief leaves in his device, what he leaves online, number of branches). He may spend his own money
    honestly before he begins, so he leaves from 0 to `device_tiyn` and from 0 to `online_tiyn`. Each branch is a
    payment of `value_tiyn`; 2 to `most_branches` of them. The reserve must bear nothing: the National Bank would look.

    Hint: `waterfall` below tells who pays; the bank pays at most max_out_tiyn * caps_permille[1] // 1000.
    """
    raise NotImplementedError("TODO")


# --- part 2: shares to the tiyn ---


def in_proportion(amount_tiyn: int, weights: Sequence[int]) -> list[int]:
    """`amount_tiyn` divided in proportion to `weights`, in whole tiyn that sum to it exactly.

    From the first to the last: each gets what is left of the amount times its weight, divided by the weights that are
    left (its own among them), rounded down; so a broken tiyn passes on to the next, and the last takes the rest. A
    weight of 0 gets nothing. The amount is never more than the sum of the weights.
    """
    raise NotImplementedError("TODO")


def pro_rata(fork: Fork) -> dict[str, object]:
    """Each branch of a fork has an equal share; then the guilty device makes good what it can.

    `fork` has "fork" (id of 32 bytes, position), "value_tiyn", "device_tiyn" (what the guilty device still has), and
    "branches": [(branch id, [(end id, nominal tiyn)...])...] in no order. A branch has one end, or two: whom its
    payee passed a part on to, and then the payee's own change. Returns

        {"paid": {end id: tiyn}, "device_tiyn": what the device gives, "payees_tiyn": what the ends lack in all}

    1. The value is divided equally; the branches with the smallest ids have a broken tiyn each.
    2. A branch's share follows its two ends in proportion to their nominal tiyn; the first has the broken tiyn.
    3. The device gives what it has, at most what is missing: in proportion (as above) to what each end is missing,
       ends in ascending order of their ids.
    """
    raise NotImplementedError("TODO")


def lottery(fork: Fork, beacon: bytes) -> dict[str, object]:
    """One branch has everything: the one with the smallest SHA-256(beacon, fork id, position in one byte, branch id).

    The others have nothing until the guilty device makes good what it can, as under `pro_rata` (step 3). Returns the
    same form.
    """
    raise NotImplementedError("TODO")


def waterfall(
    loss_tiyn: int, device_tiyn: int, owner_tiyn: int, max_out_tiyn: int, caps_permille: tuple[int, int]
) -> dict[str, int]:
    """Who bears a loss when every payee is paid: {"device", "owner", "bank", "reserve", "payees": tiyn}.

    First what the device still has; then its owner, who has `owner_tiyn` online, up to a cap; then the bank that
    certified the device, up to a cap; the loss reserve bears what remains. The caps (owner's, bank's) are thousandths
    of `max_out_tiyn`, rounded down.
    """
    raise NotImplementedError("TODO")


# --- part 3: measure, and argue ---


def measured(town: Town) -> dict[str, dict[str, int]]:
    """The table: for each of `town.policies` what `town.measure` gives."""
    raise NotImplementedError("TODO")


def who_gains(table: Table) -> tuple[list[str], list[str]]:
    """Under which policies the ring gains most, and under which honest payees bear least.

    By "ring_gain_tiyn" and "payees_tiyn". Two lists of policies in alphabetical order: where several are equal, all
    of them.
    """
    raise NotImplementedError("TODO")


def argument(table: Table) -> dict[str, object]:
    """Your argument for one policy of the table, with figures from it: in English, Kazakh or Russian.

    {"policy": the name you choose,
     "figures": [(policy, measure, value)...]   four different cells of the table at least, of two policies at least,
     "worse_off": (party, other policy)         who bears more under yours than under that other one: of `PARTIES`,
     "limit": a sentence of eight words or more: what these figures cannot show,
     "text": 60 words or more that name your policy, the other policy and the party, and hold each figure's value}

    Policies and parties are named by the words used here (`PARTIES`), also in a Kazakh or Russian text.
    Values in the text are whole tiyn in digits without spaces, as in the table; the text holds no other number above
    999. Towns differ, so let the function choose by the table, and write the text with f-strings.
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    here = Office(seed=7)
    print("example", example_two_branches(here))
    for attack in (off_balance, grind, dilute, let_the_bank_pay):
        try:
            print(attack.__name__, attack(here))
        except NotImplementedError:
            print(attack.__name__, "not written yet")
    town = Town(seed=7)
    print("\nthe town of seed 7, in tiyn:")
    rows = {name: town.measure(name) for name in town.policies}
    for measure in MEASURES:
        print(f"{measure:<16}", *(f"{name} {rows[name][measure]:>9}" for name in town.policies), sep="  ")
    print("parties:", ", ".join(PARTIES), "| a branch:", branch_id(here.friend, bytes(32)).hex()[:16])
    try:
        print(argument(measured(town))["text"])
    except NotImplementedError:
        print("argument not written yet")
