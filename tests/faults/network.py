"""A virtual network and the clients on it, from a seed. **Simulated**: messages take no time, only turns.

A request or a reply waits until chance takes it, in any order; then it arrives, arrives and stays to arrive again, or
is lost. `cut_lines` loses all that is under way. A client knows only what reached it: it sends the same bytes again
until an answer comes, pays only with coins that it was told are its own, and now and then it is a cheat that spends one
coin in two payments at once.
"""

import random
from collections import deque
from dataclasses import dataclass, field

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from tests.faults.auditor import Auditor
from tests.faults.town import Coin, Plan, pay

Answer = Receipt | TengeError
LOST, TWICE = 0.12, 0.12


@dataclass(slots=True)
class Network:
    """What is under way: requests (each a group of payments) and replies (an answer to each payment of a group)."""

    chance: random.Random
    requests: list[list[Plan]] = field(default_factory=list)
    replies: list[list[tuple[Plan, Answer]]] = field(default_factory=list)
    lost: int = 0
    repeated: int = 0

    def _take(self, waiting: list, calm: bool) -> list | None:
        if not waiting:
            return None
        place = self.chance.randrange(len(waiting))
        fate = 1.0 if calm else self.chance.random()
        if fate < TWICE and len(waiting) < 40:
            self.repeated += 1
            return waiting[place]
        taken = waiting.pop(place)
        if fate < TWICE + LOST:
            self.lost += 1
            return None
        return taken

    def next_request(self, calm: bool = False) -> list[Plan] | None:
        """A request that arrives now, if any does."""
        return self._take(self.requests, calm)

    def next_reply(self, calm: bool = False) -> list[tuple[Plan, Answer]] | None:
        """A reply that arrives now, if any does."""
        return self._take(self.replies, calm)

    def cut_lines(self) -> None:
        """Every connection breaks."""
        self.lost += len(self.requests) + len(self.replies)
        self.requests.clear()
        self.replies.clear()


@dataclass(slots=True)
class Clients:
    """All payers of the town. `open` are payments without a final answer; `numbers` makes each payment its own."""

    auditor: Auditor
    network: Network
    chance: random.Random
    purses: dict[str, dict[Coin, int]] = field(default_factory=dict)
    open: dict[bytes, Plan] = field(default_factory=dict)
    settled: deque[Plan] = field(default_factory=lambda: deque(maxlen=50))
    number: int = 0

    def __post_init__(self) -> None:
        for coin, (name, amount) in self.auditor.town.coins.items():
            self.purses.setdefault(name, {})[coin] = amount

    def pay_something(self, most: int = 4) -> None:
        """A group of new payments goes out."""
        group = []
        for _ in range(self.chance.randint(1, most)):
            name = self.chance.choice(sorted(self.purses))
            purse = self.purses[name]
            if not purse:
                continue
            count = min(len(purse), self.chance.choice((1, 1, 1, 2)))
            spends = {coin: (name, purse.pop(coin)) for coin in self.chance.sample(sorted(purse), count)}
            cheat = self.chance.random() < 0.1
            group += [self._plan(spends, honest=not cheat) for _ in range(2 if cheat else 1)]
        self.chance.shuffle(group)
        self._send(group)

    def _plan(self, spends: dict[Coin, tuple[str, int]], honest: bool) -> Plan:
        self.number += 1
        total = sum(amount for _, amount in spends.values())
        payee = self.chance.choice(sorted(self.purses))
        tiyn = total if self.chance.random() < 0.4 or total == 1 else self.chance.randrange(1, total)
        plan = pay(self.auditor.town, self.number, spends, payee, tiyn, honest)
        self.open[plan.id] = plan
        return plan

    def _send(self, group: list[Plan]) -> None:
        for plan in group:
            self.auditor.hears_sent(plan)
        if group:
            self.network.requests.append(group)

    def ask_again(self) -> None:
        """Somebody waited too long, and sends the same again; sometimes what was answered long ago."""
        waiting = list(self.open.values())
        if self.settled and self.chance.random() < 0.2:
            waiting = list(self.settled)
        if waiting:
            self._send(self.chance.sample(waiting, min(len(waiting), self.chance.randint(1, 4))))

    def ask_all(self) -> None:
        """Everything that is open is asked again, each alone."""
        for plan in self.open.values():
            self._send([plan])

    def hear(self, reply: list[tuple[Plan, Answer]]) -> None:
        """A reply reached its client."""
        for plan, answer in reply:
            if isinstance(answer, Unavailable):
                continue
            if isinstance(answer, Receipt):
                self.auditor.hears_receipt(answer)
            else:
                self.auditor.hears_refusal(plan, answer.code)
            if self.open.pop(plan.id, None) is not None:
                self.settled.append(plan)
                if isinstance(answer, Receipt):
                    for coin, (name, amount) in plan.coins().items():
                        self.purses[name][coin] = amount
