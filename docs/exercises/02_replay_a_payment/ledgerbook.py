"""A till's book, a payer's diary and the road between them: what the second part is played with.

Each of them can be cut off at any call: `Cut` is raised before or after the call did its work, as a power cut comes.
`Silence` on the road means that the message or the answer was lost. The grader decides when; here you can too:

    book = Book({"Aigerim": 500_00, "Bolat": 0}, cuts=[("commit", "after")])
"""

import random
from collections.abc import Callable, Iterable, Mapping

from teahouse import Cut, Silence

Order = tuple[bytes, str, bytes, str, str, int, bytes]
"""network (8 bytes), purpose, number (16 bytes), payer, payee, amount in tiyn, signature."""


class Cutting:
    """Cuts a call short, when its turn has come."""

    def __init__(self, cuts: Iterable[tuple[str, str]] = ()) -> None:
        self._cuts = list(cuts)

    def around(self, name: str, work: Callable[[], object]) -> object:
        """Do the work, with a cut before or after it if the next cut is for this call."""
        planned = self._cuts[0][1] if self._cuts and self._cuts[0][0] == name else ""
        if planned:
            self._cuts.pop(0)
        if planned == "before":
            raise Cut(name)
        value = work()
        if planned == "after":
            raise Cut(name)
        return value


class Book(Cutting):
    """What a till keeps for ever: balances, and the answers it has given, by number."""

    SHOWN: tuple[str, ...] = ()
    CALLS = ("balance", "find", "commit", "move", "remember")

    def __init__(self, balances: Mapping[str, int], cuts: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(cuts)
        self.balances = dict(balances)
        self.answers: dict[bytes, tuple[bytes, str]] = {}
        self.moves: list[tuple[str, str, int]] = []

    def balance(self, name: str) -> int:
        """Tiyn of somebody; 0 for a stranger."""
        return self.balances.get(name, 0)

    def find(self, number: bytes) -> tuple[bytes, str] | None:
        """(digest, answer) that was kept under a number, or None."""
        return self.answers.get(number)

    def commit(
        self, number: bytes, digest: bytes, answer: str, payer: str, payee: str, amount_tiyn: int
    ) -> None:
        """Move the money and keep the answer under the number, in one step: both or neither."""

        def both() -> None:
            self._move(payer, payee, amount_tiyn)
            self.answers[number] = (digest, answer)

        self.around("commit", both)

    def move(self, payer: str, payee: str, amount_tiyn: int) -> None:
        """Move the money, and nothing else."""
        self.around("move", lambda: self._move(payer, payee, amount_tiyn))

    def remember(self, number: bytes, digest: bytes, answer: str) -> None:
        """Keep an answer under a number, and nothing else."""
        self.around("remember", lambda: self.answers.__setitem__(number, (digest, answer)))

    def _move(self, payer: str, payee: str, amount_tiyn: int) -> None:
        self.balances[payer] = self.balances.get(payer, 0) - amount_tiyn
        self.balances[payee] = self.balances.get(payee, 0) + amount_tiyn
        self.moves.append((payer, payee, amount_tiyn))


class Diary(Cutting):
    """What a payer's phone keeps for ever: orders, and whether an answer came."""

    SHOWN: tuple[str, ...] = ()
    CALLS = ("write", "done", "open_orders", "new_number")

    def __init__(self, seed: int, cuts: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(cuts)
        self._chance = random.Random(seed)
        self.orders: dict[bytes, Order] = {}
        self.answers: dict[bytes, str] = {}

    def new_number(self) -> bytes:
        """Sixteen bytes that nobody has used before."""
        return self._chance.randbytes(16)

    def write(self, order: Order) -> None:
        """Keep an order before it is sent."""
        self.around("write", lambda: self.orders.__setitem__(bytes(order[2]), tuple(order)))

    def done(self, number: bytes, answer: str) -> None:
        """Keep the answer to an order."""
        self.around("done", lambda: self.answers.__setitem__(number, answer))

    def open_orders(self) -> list[Order]:
        """Orders that were kept and have no answer yet, the oldest first."""
        return [order for number, order in self.orders.items() if number not in self.answers]


class Road(Cutting):
    """The way to the till: `send(order)` gives the till's answer, or raises Silence."""

    SHOWN: tuple[str, ...] = ()
    CALLS = ("send",)

    def __init__(self, till: Callable[[Order], str], cuts: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(cuts)
        self._till = till
        self.sent: list[Order] = []

    def send(self, order: Order) -> str:
        """The till's answer. Silence: the message was lost ("before"), or the answer was ("after")."""
        self.sent.append(tuple(order))
        try:
            return str(self.around("send", lambda: self._till(tuple(order))))
        except Cut as cut:
            raise Silence("no answer came") from cut
