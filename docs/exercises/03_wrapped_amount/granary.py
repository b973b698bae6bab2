"""The granary's cash desks: the world and the weak code of this lab.

Three desks keep sacks of grain as money. Each was written by somebody in a hurry, and each adds up in another wrong
way. The weaknesses stand here and nowhere else; the real ledger refuses all three attacks.

    granary = Granary(seed=7)
    granary.you, granary.friends          names
    granary.balance("narrow", name)       what a name has at a desk, in tiyn
    granary.pay(desk, outputs)            pay away all you have at a desk: outputs are [(name, amount_tiyn)...]
    granary.share(amount_tiyn, weights)   split a payment of yours at the desk "fair" among your friends by weights
"""

import random
from collections.abc import Sequence

WIDTH_BITS = 64
NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")
MOST_OUTPUTS = 16


class Refusal(Exception):
    """A desk says no; the text says why."""


class Granary:
    """Three desks and the people at them; the same seed gives the same granary.

    narrow      adds in 64 bits: what does not fit falls off at the top
    trusting    adds exactly, and never asks whether an amount is one
    fair        splits a payment by weights, and rounds each share to the nearest tiyn
    """

    SHOWN = ("you", "friends", "desks")
    CALLS = ("balance", "total", "pay", "share")
    desks = ("narrow", "trusting", "fair")

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.you, *others = chance.sample(NAMES, 6)
        self.friends = tuple(others)
        self._money = {
            desk: {name: chance.randrange(1_000_00, 90_000_00) for name in (self.you, *others)}
            for desk in self.desks
        }
        self.moves: list[tuple[str, object]] = []

    def balance(self, desk: str, name: str) -> int:
        """What `name` has at a desk, in tiyn."""
        return self._desk(desk).get(name, 0)

    def total(self, desk: str) -> int:
        """All the money at a desk, in tiyn. It should never change."""
        return sum(self._desk(desk).values())

    def _desk(self, desk: str) -> dict[str, int]:
        if desk not in self._money:
            raise Refusal(f"there is no desk {desk!r}")
        return self._money[desk]

    def pay(self, desk: str, outputs: Sequence[tuple[str, int]]) -> None:
        """Pay away everything you have at a desk; raises Refusal. What you pay to yourself is your change."""
        self.moves.append((desk, outputs))
        money = self._desk(desk)
        if not 1 <= len(outputs) <= MOST_OUTPUTS:
            raise Refusal(f"1 to {MOST_OUTPUTS} outputs")
        amounts = [amount for _, amount in outputs]
        if any(name not in (self.you, *self.friends) for name, _ in outputs):
            raise Refusal("a name nobody knows")
        if desk == "narrow":
            if any(type(amount) is not int or not 0 < amount < 2**WIDTH_BITS for amount in amounts):
                raise Refusal("every amount is a whole number above 0 of 64 bits")
            added = sum(amounts) % 2**WIDTH_BITS  # the weakness
        elif desk == "trusting":
            added = sum(amounts)  # the weakness: an amount may be anything that can be added
        else:
            raise Refusal("this desk only shares")
        if added != money[self.you]:
            raise Refusal(f"the outputs add up to {added}, and you have {money[self.you]}")
        money[self.you] = 0
        for name, amount in outputs:
            money[name] += amount

    def share(self, amount_tiyn: int, weights: Sequence[int]) -> list[int]:
        """Split `amount_tiyn` of yours at the desk "fair" among your friends, one weight a friend; the shares."""
        self.moves.append(("fair", (amount_tiyn, weights)))
        money = self._desk("fair")
        if type(amount_tiyn) is not int or not 0 < amount_tiyn <= money[self.you]:
            raise Refusal("an amount that you do not have")
        if len(weights) != len(self.friends) or any(type(one) is not int or one < 0 for one in weights):
            raise Refusal("one weight, from 0, for each friend")
        whole = sum(weights)
        if whole == 0:
            raise Refusal("nobody would get anything")
        # The weakness: each share is rounded by itself, half a tiyn goes up.
        shares = [(2 * amount_tiyn * weight + whole) // (2 * whole) for weight in weights]
        money[self.you] -= amount_tiyn
        for name, part in zip(self.friends, shares, strict=True):
            money[name] += part
        return shares
