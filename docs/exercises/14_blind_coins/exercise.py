"""Blind coins. Write the functions that say TODO; README.md beside this file tells the story. Not for production.

tenge exercise check      your grade (in this folder)
python exercise.py        play at home: a mint, a street and two books
"""

import random
from collections.abc import Collection, Sequence
from typing import Any

from blinding import Public
from mint import FactorBook, Mint, PatternBook, Street
from named_coins import CANDIDATES, Answer, Candidates, Coin

Deposit = tuple[bytes, bytes, Coin, tuple[Answer, ...]]
"""What a shop hands in: its name, the nonce it used, the coin, and the answers."""


class Refused(Exception):
    """What the functions of part 2 raise, with the reason."""


def example_withdraw(mint: Mint) -> tuple[Coin, Any]:
    """A worked example: an honest withdrawal. The mint has half of the candidates opened and signs the others."""
    candidates = Candidates(mint.public, [mint.you] * CANDIDATES, random.Random(1))
    opened = mint.withdraw(candidates.blinded)
    number = mint.show([candidates.openings[place] for place in opened])
    rest = [place for place in range(CANDIDATES) if place not in opened]
    purse = candidates.finish(rest, number)
    return purse.coin, purse.secrets


# --- part 1: attacks ---


def link_by_factor(
    public: Public,
    withdrawals: Sequence[tuple[str, bytes]],
    deposits: Sequence[tuple[str, bytes, bytes]],
) -> dict[int, str]:
    """You are the mint. Say whose coins were handed in, where a wallet blinded all its coins with the same factor.

    `withdrawals` are (customer, blinded), `deposits` (shop, prepared message, signature); two or three coins each.
    Returns {place in `deposits`: customer} for the careless wallets' coins, and for no others.
    """
    raise NotImplementedError("TODO")


def link_by_pattern(
    withdrawals: Sequence[tuple[str, int, dict[int, int]]],
    deposits: Sequence[tuple[str, int, dict[int, int]]],
) -> dict[int, str]:
    """You are the mint again, and the blinding is good. Say whose coins were handed in, by amounts and times.

    Rows are (customer or shop, minute of the day, {value in tiyn: coins}). Coins are spent 1 to 120 minutes after
    they were withdrawn (`WINDOW_MINUTES`), all of a withdrawal in one shop. Returns {place in `deposits`: customer}
    where exactly one customer can have done it; a guess is an accusation.
    """
    raise NotImplementedError("TODO")


def spend_twice(street: Street) -> list[str]:
    """Spend your one coin in two shops, so that what they got of it does not say who you are.

    `street.purse.answers(challenge)` answers a challenge. Returns the two shops.
    """
    raise NotImplementedError("TODO")


def plant(mint: Mint) -> tuple[Coin, Any]:
    """Withdraw a coin that names your neighbour in every one of its pairs, from a mint that can be foreseen.

    Returns the coin and its secrets, as the worked example does.
    """
    raise NotImplementedError("TODO")


def escape_chance(candidates: int, opened: int, planted: int) -> tuple[int, int]:
    """How likely it is that none of `planted` false candidates is opened, if `opened` of `candidates` are, by chance.

    Returns a fraction in whole numbers: (above, below).
    """
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


def check_payment(public: Public, shop: bytes, nonce: bytes, coin: Coin, answers: Sequence[Answer]) -> None:
    """The payee's check, without a network: return if the coin and the answers are right, raise Refused if not.

    `shop` and `nonce` are the payee's own, this time's. A coin comes from a stranger: the types are right (tuples or
    lists of bytes), and everything else may be wrong.
    """
    raise NotImplementedError("TODO")


def cut(public: Public, identity: bytes, blinded: Sequence[int], chance: bytes, opener: Any) -> list[int]:
    """The mint's part: have half of the candidates opened, and return the places to be signed; Refused if one is wrong.

    `chance` are 32 fresh random bytes that nobody else knows, `opener.open(places)` gives the openings of these places
    (a list of `Opening`, perhaps of fewer), once. The places must follow from `chance`, so that each half is as likely
    as any other. Refused also where a number that is not opened cannot be right.
    """
    raise NotImplementedError("TODO")


def settle(
    public: Public, customers: Collection[bytes], seen: Sequence[Deposit], deposit: Deposit
) -> tuple[str, bytes]:
    """The deposit desk: what to do with a deposit, and whom it names. `seen` was found right before.

    Returns ("credit", b"") for a coin that was not seen, ("replay", b"") for one that was, at a challenge that asked
    for the same halves, and ("cheat", identity) or ("cheat", b"") for one that was spent twice: the identity is a
    customer's that stands behind more than half of the places where the halves differ. Raises Refused for what no
    payee could have accepted.
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    factors, patterns = FactorBook(seed=7), PatternBook(seed=7)
    for name, play in {
        "link_by_factor": lambda: link_by_factor(factors.public, factors.withdrawals, factors.deposits),
        "link_by_pattern": lambda: link_by_pattern(patterns.withdrawals, patterns.deposits),
        "spend_twice": lambda: spend_twice(Street(seed=7)),
        "plant": lambda: [secret[0].hex()[:8] for secret in plant(Mint(seed=7))[1]],
        "escape_chance": lambda: escape_chance(32, 16, 1),
    }.items():
        try:
            print(f"{name:<16}", play())
        except NotImplementedError:
            print(f"{name:<16} not written yet")
