"""A solution of exercise 14. Students: this is where the fun ends."""

import math
import random
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

from blinding import Public, encoded_number, modulus_bytes
from mint import WINDOW_MINUTES, Mint, Street
from named_coins import (
    CANDIDATES,
    PAIRS,
    Answer,
    Candidates,
    Coin,
    blinded_number,
    challenge_of,
    coin_id,
    commitment,
    pair_of,
    sides,
    signature_fits,
    xor,
)

Deposit = tuple[bytes, bytes, Coin, tuple[Answer, ...]]


class Refused(Exception):
    """No coin, no candidate, no deposit."""


def link_by_factor(
    public: Public,
    withdrawals: Sequence[tuple[str, bytes]],
    deposits: Sequence[tuple[str, bytes, bytes]],
) -> dict[int, str]:
    """A blinded number divided by the number under a signature is the factor to the e: one, again and again."""
    n = public[0]
    inverses = [pow(encoded_number(public, signature), -1, n) for _, _, signature in deposits]
    ratios = [
        (place, name, int.from_bytes(blinded, "big") * inverse % n)
        for place, inverse in enumerate(inverses)
        for name, blinded in withdrawals
    ]
    count = Counter(factor for _, _, factor in ratios)
    return {place: name for place, name, factor in ratios if count[factor] > 1}


def link_by_pattern(
    withdrawals: Sequence[tuple[str, int, dict[int, int]]],
    deposits: Sequence[tuple[str, int, dict[int, int]]],
) -> dict[int, str]:
    """The same coins within the window, and nobody else."""
    found = {}
    for place, (_, paid, coins) in enumerate(deposits):
        who = {
            name for name, minute, had in withdrawals if had == coins and 0 < paid - minute <= WINDOW_MINUTES
        }
        if len(who) == 1:
            found[place] = who.pop()
    return found


def spend_twice(street: Street) -> list[str]:
    """Two shops that ask the same learn the same."""
    first: dict[bytes, str] = {}
    for shop in street.shops():
        challenge = street.ask(shop)
        if challenge in first:
            both = [first[challenge], shop]
            for one in both:
                street.pay(one, street.purse.coin, street.purse.answers(challenge))
            return both
        first[challenge] = shop
    raise Refused("they all ask something else")


def plant(mint: Mint) -> tuple[Coin, Any]:
    """Honest where the mint will look, the neighbour's name where it will not."""
    number = mint.next_number()
    opened = {place for place in range(CANDIDATES) if (place * 7 + number) % 4 in {0, 3}}
    identities = [mint.you if place in opened else mint.neighbour for place in range(CANDIDATES)]
    candidates = Candidates(mint.public, identities, random.Random(number))
    places = mint.withdraw(candidates.blinded)
    signed = mint.show([candidates.openings[place] for place in places])
    purse = candidates.finish([place for place in range(CANDIDATES) if place not in places], signed)
    return purse.coin, purse.secrets


def escape_chance(candidates: int, opened: int, planted: int) -> tuple[int, int]:
    """All the opened ones lie among the honest ones."""
    return math.comb(candidates - planted, opened), math.comb(candidates, opened)


def check_payment(public: Public, shop: bytes, nonce: bytes, coin: Coin, answers: Sequence[Answer]) -> None:
    """The coin, then the halves that this payee asked for."""
    pairs, signature = [tuple(pair) for pair in coin[0]], coin[1]
    if len(pairs) != PAIRS or len(answers) != PAIRS or any(len(pair) != 2 for pair in pairs):
        raise Refused("a coin has its pairs, and an answer for each")
    if any(len(part) != 32 for pair in pairs for part in pair):
        raise Refused("a commitment has 32 bytes")
    if any(one >= other for one, other in pairwise(pairs)):
        raise Refused("pairs stand in ascending order, once each")
    if len(signature) != modulus_bytes(public) or int.from_bytes(signature, "big") >= public[0]:
        raise Refused("a signature is a number below the modulus")
    if not signature_fits(public, (tuple(pairs), signature)):
        raise Refused("the mint did not sign it")
    for pair, side, (half, salt) in zip(pairs, sides(challenge_of(shop, nonce)), answers, strict=True):
        if len(half) != 32 or len(salt) != 32:
            raise Refused("a half and its salt have 32 bytes")
        if commitment(side, half, salt) != pair[side]:
            raise Refused("a half does not fit")


def cut(public: Public, identity: bytes, blinded: Sequence[int], chance: bytes, opener: Any) -> list[int]:
    """Half of them, by chance, after they are all on the table."""
    if any(not 0 < number < public[0] for number in blinded):
        raise Refused("a blinded number lies between 0 and the modulus")
    if len(blinded) != CANDIDATES or len(set(blinded)) != CANDIDATES:
        raise Refused("there must be as ratios different candidates as a coin needs")
    places = sorted(random.Random(chance).sample(range(CANDIDATES), PAIRS))
    openings = opener.open(places)
    if len(openings) != len(places):
        raise Refused("not all were opened")
    pairs = set()
    for place, (a, left, right, factor) in zip(places, openings, strict=False):
        if any(len(part) != 32 for part in (a, left, right)) or not 1 < factor < public[0]:
            raise Refused("this is no opening")
        if blinded_number(public, pair_of(identity, a, left, right), factor) != blinded[place]:
            raise Refused("a candidate is not what it should be")
        pairs.add(pair_of(identity, a, left, right))
    if len(pairs) != PAIRS:
        raise Refused("one pair under several factors is one pair")
    return [place for place in range(CANDIDATES) if place not in places]


def settle(
    public: Public, customers: Collection[bytes], seen: Sequence[Deposit], deposit: Deposit
) -> tuple[str, bytes]:
    """Two halves say who; more than half of them must say the same."""
    shop, nonce, coin, answers = deposit
    check_payment(public, shop, nonce, coin, answers)
    asked = sides(challenge_of(shop, nonce))
    votes: Counter[bytes] = Counter()
    differing = 0
    known = False
    for other_shop, other_nonce, other_coin, other_answers in seen:
        if coin_id(other_coin) != coin_id(coin):
            continue
        known = True
        other_asked = sides(challenge_of(other_shop, other_nonce))
        if other_asked == asked:
            return "replay", b""
        for place in range(PAIRS):
            if asked[place] != other_asked[place]:
                differing += 1
                votes[xor(answers[place][0], other_answers[place][0])] += 1
    if not known:
        return "credit", b""
    identity, count = votes.most_common(1)[0]
    return "cheat", identity if identity in customers and 2 * count > differing else b""
