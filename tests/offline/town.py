"""A desk whose devices have one algorithm, and exchanges of either flow that can be cut at any message."""

from typing import Any

from cbdc.token import MERCHANT
from offline.element import SimulatedSecureElement
from offline.journal import MemoryJournal
from offline.transfer import PayeeSession, PayerSession
from tests.cbdc.world import DAY
from tests.offline.desk import Desk

LOADED = 5_000
AMOUNT = 2_000
AFTER_CLOSE = 200 * DAY


class Town(Desk):
    """Ayan has 5,000 on his device; the shop and Dana have devices; settlement is the real one."""

    def __init__(self, algorithm: int) -> None:
        self.algorithm = algorithm
        super().__init__()
        for name, category in (("ayan", 1), ("shop", MERCHANT), ("dana", 1)):
            self.join(name, category)
        self.take_offline("ayan", LOADED)

    def bare(self, name: str, attacks_allowed: bool = True) -> SimulatedSecureElement:
        """As the desk's, with the town's algorithm."""
        journal = self.journals.setdefault(name, MemoryJournal())
        return SimulatedSecureElement(
            journal, self.entropy, name.encode(), self.algorithm, attacks_allowed=attacks_allowed
        )

    @property
    def now(self) -> int:
        """The town's clock."""
        return self.clock.now()

    def between(
        self, payer: str, payee: str, near: bool, amount: int = AMOUNT, id: bytes = b"s" * 16
    ) -> "Exchange":
        """An exchange that has not begun."""
        return Exchange(self, payer, payee, near, amount, id)

    def close(self) -> None:
        """Let every note close."""
        self.clock.advance(AFTER_CLOSE)
        self.centre.tick()
        self.check()

    def all_money(self) -> int:
        """What all three have, on devices and online."""
        return sum(self.purse(name) + self.wallet(name) for name in ("ayan", "shop", "dana"))


class Exchange:
    """One exchange; each call says one more message and gives it back."""

    def __init__(self, town: Town, payer: str, payee: str, near: bool, amount: int, id: bytes) -> None:
        self.town = town
        self.near = near
        self.asking = PayeeSession(town.people[payee], id, amount, 0, near)
        self.paying = PayerSession(town.people[payer])
        self.said: list[bytes] = []

    def until_confirm(self) -> "Exchange":
        """Everything before the person agrees; nothing is paid."""
        now = self.town.now
        self.said.append(self.asking.start(now))
        answers = self.paying.receive(self.said[-1], now)
        if self.near:
            self.said += answers
            self.said += self.asking.receive(answers[0], now)
            self.paying.receive(self.said[-1], now)
        return self

    def commit(self) -> bytes:
        """The person agrees: what must arrive."""
        self.said.append(self.paying.confirm(self.town.now))
        return self.said[-1]

    def whole(self) -> bytes:
        """The payment as a whole bundle, as anybody may bring it."""
        payer: Any = self.paying.device
        bundle: bytes = payer.resend(self.invoice)
        return bundle

    @property
    def invoice(self) -> bytes:
        """The id of the invoice."""
        assert self.paying.invoice is not None
        return self.paying.invoice.oid

    def deliver(self, message: bytes) -> bytes:
        """Give the payee its payment; its receipt."""
        (receipt,) = self.asking.receive(message, self.town.now)
        return receipt

    def finish(self, message: bytes) -> None:
        """Deliver, and bring the receipt back."""
        self.paying.receive(self.deliver(message), self.town.now)
