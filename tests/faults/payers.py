"""The clients of the kill runs: threads that pay as fast as they are answered, and never give up.

Each has a connection of its own. When it breaks, or the answer is "unknown", the client waits for the next server and
sends the very same bytes again, until each payment has a receipt or a refusal. Now and then one asks again what was
answered long ago, or spends one coin twice in one group.
"""

import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cbdc.ledger.entry import LogHead, Receipt
from cbdc.record import open_envelope
from tests.faults.auditor import Auditor
from tests.faults.served import UNKNOWN, message, receive
from tests.faults.town import Coin, Plan, pay

SECONDS = 60


@dataclass
class Payers:
    """All clients, and what they share: the purses, the auditor, and where the server is."""

    auditor: Auditor
    seed: int
    threads: int = 6
    lock: threading.Lock = field(default_factory=threading.Lock)
    up: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    purses: dict[str, dict[Coin, int]] = field(default_factory=dict)
    open: set[bytes] = field(default_factory=set)
    settled: list[Plan] = field(default_factory=list)
    number: int = 0
    asked_again: int = 0
    spoken: int = 0
    ending: bool = False
    stopped: bool = False
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for coin, (name, amount) in self.auditor.town.coins.items():
            self.purses.setdefault(name, {})[coin] = amount
        self._running = [threading.Thread(target=self._run, args=(place,)) for place in range(self.threads)]

    def start(self) -> None:
        """They begin; while no server is up they wait."""
        for thread in self._running:
            thread.start()

    def serve_at(self, port: int) -> None:
        """A server is up."""
        self.port = port
        self.up.set()

    def finish(self) -> None:
        """No new payments; everything that is open settles while a server is up."""
        self.ending = True
        for thread in self._running:
            thread.join(SECONDS * 3)
            if thread.is_alive():
                self.wrong.append("a client's payment does not settle")
        self.up.clear()

    # --- one client ---

    def _run(self, place: int) -> None:
        chance = random.Random(f"{self.seed}/{place}")
        stream: Any = None
        try:
            while not self.ending and not self.stopped:
                group = self._group(chance)
                while group and not self.stopped:
                    stream, group = self._settle(stream, group)
        except Exception as wrong:  # whatever ends a client is told by the run
            self.wrong.append(f"{type(wrong).__name__}: {wrong}")
            self.stopped = True
        finally:
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def stop(self) -> None:
        """Everybody goes home, whatever is open."""
        self.stopped = True
        self.up.set()
        for thread in self._running:
            if thread.ident is not None:
                thread.join(SECONDS * 2)

    def _settle(self, stream: Any, group: list[Plan]) -> tuple[Any, list[Plan]]:
        """One try; the connection for the next one, and the payments that still have no answer."""
        try:
            if stream is None:
                self.up.wait(1)
                with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
                    stream = connection.makefile("rwb")
            stream.write(message([plan.data for plan in group]))
            stream.flush()
            answers = receive(stream)
        except (OSError, EOFError):
            if stream is not None:
                with self.lock:
                    self.asked_again += len(group)
                with suppress(OSError):
                    stream.close()
            time.sleep(0.02)
            return None, group
        return stream, self._hear(group, answers)

    def _group(self, chance: random.Random) -> list[Plan]:
        with self.lock:
            names = sorted(self.purses)
            group: list[Plan] = []
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                name = chance.choice(names)
                if not self.purses[name]:
                    continue
                coin = chance.choice(sorted(self.purses[name])[:20])
                spends = {coin: (name, self.purses[name].pop(coin))}
                cheat = chance.random() < 0.05
                group += [self._plan(chance, spends, not cheat) for _ in range(2 if cheat else 1)]
            if self.settled and chance.random() < 0.05:
                group.append(chance.choice(self.settled))
            return group

    def _plan(self, chance: random.Random, spends: dict[Coin, tuple[str, int]], honest: bool) -> Plan:
        self.number += 1
        total = sum(amount for _, amount in spends.values())
        tiyn = total if chance.random() < 0.6 or total == 1 else chance.randrange(1, total)
        plan = pay(self.auditor.town, self.number, spends, chance.choice(sorted(self.purses)), tiyn, honest)
        self.auditor.hears_sent(plan)
        self.open.add(plan.id)
        return plan

    def _hear(self, group: list[Plan], answers: list[Any]) -> list[Plan]:
        again = []
        with self.lock:
            self.spoken += 1
            for plan, answer in zip(group, answers, strict=True):
                if answer == UNKNOWN:
                    again.append(plan)
                    continue
                if isinstance(answer, str):
                    self.auditor.hears_refusal(plan, answer)
                else:
                    index, moment, envelope = answer
                    head = open_envelope(envelope, LogHead, self.auditor.town.world.network)
                    self.auditor.hears_receipt(Receipt(plan.id, index, moment, head))
                if plan.id in self.open:
                    self.open.discard(plan.id)
                    self.settled = [*self.settled[-50:], plan]
                    if not isinstance(answer, str):
                        for coin, (name, amount) in plan.coins().items():
                            self.purses[name][coin] = amount
            self.asked_again += len(again)
        if again:
            time.sleep(0.02)
        return again
