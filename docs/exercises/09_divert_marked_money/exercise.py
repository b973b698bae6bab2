"""Divert marked money. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        what reaches the jeweller
"""

from roadrules import Facts, Mark, Party, Payment, Used
from roadworks import Refusal, Roadworks


def example_straight_to_the_jeweller(road: Roadworks) -> str:
    """A worked example: pay the jeweller with a marked coin, and read what the clerk says ("" if he allows it)."""
    number, amount_tiyn, _ = next(coin for coin in road.coins(road.firm) if coin[2])
    try:
        road.pay(road.firm, road.jeweller, [number], amount_tiyn)
    except Refusal as refusal:
        return str(refusal)
    return ""


# --- part 1: attacks. After each the jeweller has `road.wanted_tiyn` or more, by this trick and no other. ---


def down_the_chain(road: Roadworks) -> None:
    """The clerk looks at the first hop. Let somebody else make the second."""
    raise NotImplementedError("TODO")


def with_the_change(road: Roadworks) -> None:
    """Pay something harmless, and look at what comes back to you."""
    raise NotImplementedError("TODO")


def by_mixing(road: Roadworks) -> None:
    """Let a coin of free money lead a line of marked ones."""
    raise NotImplementedError("TODO")


def by_a_refund(road: Roadworks) -> None:
    """Pay your cousin, who thinks better of it."""
    raise NotImplementedError("TODO")


def with_an_act_of_your_own(road: Roadworks) -> None:
    """Nobody asks who wrote an act."""
    raise NotImplementedError("TODO")


def with_one_act_many_times(road: Roadworks) -> None:
    """Free money on `road.act`, an honest act, until there is enough."""
    raise NotImplementedError("TODO")


def with_a_firm_of_today(road: Roadworks) -> None:
    """A supplier gets free money, and a firm says itself what it is."""
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


def judge(mark: Mark, payment: Payment, facts: Facts, used: Used) -> list[tuple[str, str]]:
    """What each rule says of a payment: [(rule, code)...], the code empty where the rule allows it.

    First the head, always three: ("time", E_MARK_TIME or ""), ("edges", E_MARK_EDGE or ""), ("cap", E_MARK_CAP or "").
    Then every listed, document, cap and window clause in whose scope the payment lies, in the mark's order, by its
    name. All of them answer, also when an earlier one has refused: that is what explains a refusal.
    A fact stands if it is there, its `standing` is 1, and now <= expires.
    """
    raise NotImplementedError("TODO")


def uses(mark: Mark, payment: Payment, facts: Facts, used: Used) -> Used:
    """What a payment takes from facts, {(register, holder, document): tiyn}, nothing of which is 0; {} if any refuses.

    Each document clause takes the whole payment from its documents that stand, the first named first, from each at most
    what it has left (amount less `used`). Two clauses that take from one fact take it once.
    """
    raise NotImplementedError("TODO")


def outputs(mark: Mark, payment: Payment, coins: list[tuple[int, str]]) -> list[tuple[str, int, str]]:
    """What a payment of marked money makes of its coins: [(holder, tiyn, label)...], the payee's first, then change.

    `coins` are (tiyn, label) of the payer's; a label is a mark's, or empty for free money. What arrives is free (empty)
    if a drops clause covers the payment, and keeps the mark otherwise; change keeps the mark. No change, no output.
    Raise Refused unless every coin has the label of `mark`, the amount is from 1, and the coins are worth that much.
    """
    raise NotImplementedError("TODO")


def free(
    mark: Mark,
    holder: Party,
    documents: tuple[str, ...],
    amount_tiyn: int,
    now: int,
    facts: Facts,
    used: Used,
) -> Used:
    """What freeing so much takes from facts, {(register, holder, document): tiyn}; raise Refused if it is too much.

    Ask the release clauses about this holder in order, and of each the documents in the order named (one named twice
    counts once). A fact that stands gives its sum * value[0] // value[1], less `used`, less what this call has taken
    from it already; take what is still missing from it. Refused too if no release clause is about the holder.
    """
    raise NotImplementedError("TODO")


def where_from(book: list[tuple[list[int], list[tuple[int, int]]]], coin: int) -> dict[int, int]:
    """How many tiyn of a coin came from which allocation: {number of the allocation's coin: tiyn}, none of them 0.

    `book` is a list of transactions in order, each (numbers of the coins that are spent, [(number, tiyn)...] made).
    One that spends nothing is an allocation. Tiyn are alike, so a rule says which is which: the spent coins lie in a
    line in the order named, and the new ones are cut from that line from the front. Books may be thousands long.
    """
    raise NotImplementedError("TODO")


class Refused(Exception):
    """What `outputs` and `free` raise, with the reason."""


if __name__ == "__main__":
    print("straight to the jeweller:", example_straight_to_the_jeweller(Roadworks(seed=7)))
    for attack in (
        down_the_chain,
        with_the_change,
        by_mixing,
        by_a_refund,
        with_an_act_of_your_own,
        with_one_act_many_times,
        with_a_firm_of_today,
    ):
        road = Roadworks(seed=7)
        try:
            attack(road)
        except NotImplementedError:
            print(f"{attack.__name__:<26}not written yet")
        except Refusal as refusal:
            print(f"{attack.__name__:<26}refused: {refusal}")
        else:
            print(f"{attack.__name__:<26}{road.paid_to_jeweller()} of {road.wanted_tiyn} tiyn")
