"""A day of payments in Turkistan, as it stands in a journal that everybody may read: the world of this exercise.

The weak thing here is the wallet, `careless`: it empties its smallest tokens first, and puts the change on a key that
it has used before as often as on a new one. Keys are this lab's own; each is a name that nobody knows. Entries are
real transfers in the product's form (`cbdc.transaction.Transfer`), without their signatures.

    day = Day(seed=7)                   the day with careless wallets
    day.journal                         entries, oldest first; `owners(day.journal)` tells whose token is whose
    day.pharmacy                        the key that is printed on the pharmacy's door
    day.sightings                       (name, second, amount_tiyn): what a passer-by saw at tills
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import Transfer
from wallets.desk import derived

NETWORK = derived("turkistan", "network")
PEOPLE = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")
SHOPS = ("bakery", "bazaar", "bus", "tea house")
PHARMACY = "pharmacy"
ROUND_TIYN = 5_000  # shops here ask for multiples of 50 tenge (an assumption of this lab)
MOST_CHANGE = 6
Held = tuple[TokenId, bytes, int]  # a token: its id, its key, its amount in tiyn
Spend = Callable[[Sequence[Held], int, Sequence[bytes]], tuple[Sequence[int], Sequence[tuple[bytes, int]]]]


class Entry(NamedTuple):
    """One payment of the journal: when (seconds), its id, the tokens it spends and the tokens it makes."""

    second: int
    id: bytes
    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]


def owners(journal: Iterable[Entry]) -> dict[TokenId, bytes]:
    """The key behind each token that the journal has seen made."""
    return {
        TokenId(entry.id, number): token.lock.kid
        for entry in journal
        for number, token in enumerate(entry.outputs)
        if isinstance(token.lock, KeyLock)
    }


class Order(NamedTuple):
    """Somebody pays: `payee` is a shop, the pharmacy or a person."""

    second: int
    payer: str
    payee: str
    price_tiyn: int


def careless(
    tokens: Sequence[Held], price_tiyn: int, fresh: Sequence[bytes]
) -> tuple[list[int], list[tuple[bytes, int]]]:
    """The weak wallet: smallest tokens first; the change on the first of their keys, or on a new one."""
    picked, total = [], 0
    for place in sorted(range(len(tokens)), key=lambda place: (tokens[place][2], tokens[place][0])):
        if total < price_tiyn:
            picked.append(place)
            total += tokens[place][2]
    key = tokens[picked[0]][1] if fresh[0][0] % 2 else fresh[0]
    return picked, [(key, total - price_tiyn)] if total > price_tiyn else []


class Day:
    """The same seed gives the same people, shops, prices and order; `spend` is the wallet that all of them use."""

    def __init__(self, seed: int, spend: Spend = careless) -> None:
        self.chance = random.Random(seed)
        self._seed = seed
        self._keys = 0
        self.people = tuple(self.chance.sample(PEOPLE, k=self.chance.randint(6, 8)))
        self.pharmacy = self.new_key(PHARMACY, of={})
        self.owner: dict[bytes, str] = {self.pharmacy: PHARMACY}
        self.held: dict[str, list[Held]] = {name: [] for name in self.people}
        self.journal: list[Entry] = []
        self.paid_by: dict[bytes, Order] = {}
        self.change: dict[bytes, tuple[int, ...]] = {}
        self.refused = 0
        self._fill()
        orders = self._plan()
        self.sightings = self._sightings(orders)
        for order in orders:
            self._pay(order, spend)

    def new_key(self, name: str, of: dict[bytes, str]) -> bytes:
        """A key that nobody has used."""
        self._keys += 1
        key = derived("turkistan key", self._seed, self._keys)
        of[key] = name
        return key

    def _fill(self) -> None:
        for name in self.people:
            for _ in range(self.chance.randint(3, 5)):
                key = self.new_key(name, self.owner)
                amount = self.chance.randrange(4_000, 15_000) * 100 + self.chance.randrange(1, 99)
                bank = TokenId(derived("turkistan bank", self._seed, self._keys), 0)
                self._write(0, (bank,), [(name, Token(amount, KeyLock(key)))])

    def _write(self, second: int, inputs: tuple[TokenId, ...], outputs: list[tuple[str, Token]]) -> Entry:
        tokens = tuple(token for _, token in outputs)
        nonce = derived("turkistan nonce", self._seed, len(self.journal))[:16]
        entry = Entry(second, Transfer(nonce, inputs, tokens).oid(NETWORK), inputs, tokens)
        self.journal.append(entry)
        for number, (name, token) in enumerate(outputs):
            if name in self.held and isinstance(token.lock, KeyLock):
                self.held[name].append((TokenId(entry.id, number), token.lock.kid, token.amount_tiyn))
        return entry

    def _plan(self) -> list[Order]:
        orders, chance = [], self.chance
        sick = chance.sample(self.people, k=len(self.people) // 2)
        for number in range(7 * len(self.people)):
            second = 8 * 3_600 + number * 500 + chance.randrange(200)
            payer = self.people[number % len(self.people)]
            if chance.randrange(4) == 0:
                payee = chance.choice([one for one in self.people if one != payer])
                orders.append(Order(second, payer, payee, chance.randrange(700, 9_000) * 100 + 100))
                continue
            payee = PHARMACY if payer in sick and chance.randrange(3) == 0 else chance.choice(SHOPS)
            if payee == PHARMACY:
                orders.append(Order(second, payer, payee, chance.randrange(300, 3_000) * 100 + 37))
                continue
            orders.append(Order(second, payer, payee, chance.randrange(8, 30) * ROUND_TIYN))
            if chance.randrange(6) == 0:  # the next in the queue buys the same
                twin = chance.choice([one for one in self.people if one != payer])
                orders.append(Order(second + 20, twin, payee, orders[-1].price_tiyn))
        return orders

    def _sightings(self, orders: Sequence[Order]) -> list[tuple[str, int, int]]:
        seen: list[tuple[str, int, int]] = []
        for name in self.people:
            mine = [order for order in orders if order.payer == name and order.payee in SHOPS]
            seen += [
                (name, order.second + self.chance.randrange(-25, 26), order.price_tiyn)
                for order in self.chance.sample(mine, k=min(2, len(mine)))
            ]
        self.chance.shuffle(seen)
        return seen

    def _pay(self, order: Order, spend: Spend) -> None:
        held = sorted(self.held[order.payer])
        price = order.price_tiyn
        if sum(amount for _, _, amount in held) < 2 * price:
            self.refused += 1
            return
        if order.payee not in SHOPS:
            usual, _ = careless(held, price, [bytes(32)])
            while (sum(held[place][2] for place in usual) - price) % ROUND_TIYN == 0:
                price += 100  # where the price is not round, the change may not be by accident
        fresh = [self.new_key(order.payer, {}) for _ in range(MOST_CHANGE)]
        picked, changes = spend(held, price, fresh)
        payee = self.pharmacy if order.payee == PHARMACY else self.new_key(order.payee, self.owner)
        outputs = [(order.payee, Token(price, KeyLock(payee)))]
        for key, amount in changes:
            self.owner[key] = order.payer
            outputs.append((order.payer, Token(amount, KeyLock(key))))
        mixed = list(range(len(outputs)))
        self.chance.shuffle(mixed)
        spent = {held[place][0] for place in picked}
        self.held[order.payer] = [one for one in held if one[0] not in spent]
        inputs = tuple(sorted(held[place][0] for place in picked))
        entry = self._write(order.second, inputs, [outputs[place] for place in mixed])
        self.paid_by[entry.id] = order
        self.change[entry.id] = tuple(number for number, place in enumerate(mixed) if place)

    def keys_of(self) -> Mapping[str, set[bytes]]:
        """The truth, which no party sees: every person's keys."""
        found: dict[str, set[bytes]] = {name: set() for name in self.people}
        for key, name in self.owner.items():
            if name in found:
                found[name].add(key)
        return found


def score(groups: Iterable[Sequence[bytes]], truth: Mapping[str, set[bytes]]) -> tuple[int, int]:
    """How good a linking is: pairs of keys of one person that stand in one group, in thousandths; and wrong pairs."""
    owner = {key: name for name, keys in truth.items() for key in keys}
    right = wrong = 0
    for group in groups:
        keys = sorted(set(group))
        for number, one in enumerate(keys):
            for other in keys[number + 1 :]:
                same = owner.get(one) is not None and owner.get(one) == owner.get(other)
                right, wrong = right + same, wrong + (not same)
    pairs = sum(len(keys) * (len(keys) - 1) // 2 for keys in truth.values())
    return right * 1_000 // pairs, wrong


def linked(groups: Iterable[Sequence[bytes]], day: Day) -> int:
    """How well a wallet hides: pairs of payments by one person that a linking leads to one group, in thousandths."""
    group_of = {key: number for number, group in enumerate(groups) for key in group}
    owner = owners(day.journal)
    rows = [
        (day.paid_by[entry.id].payer, group_of[owner[entry.inputs[0]]])
        for entry in day.journal
        if entry.id in day.paid_by
    ]
    same = [
        (one, other) for place, one in enumerate(rows) for other in rows[place + 1 :] if one[0] == other[0]
    ]
    return sum(one[1] == other[1] for one, other in same) * 1_000 // max(len(same), 1)
