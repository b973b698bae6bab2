"""The desks at the crossing: the world and the weak code of this lab.

Each desk has a limit that a person may pay in a day, and each counts it wrongly, in one way of its own. These
weaknesses stand here and nowhere else. Every desk has

    desk.limit_tiyn, desk.wanted_tiyn   what may pass in a day, and what you want to pass
    desk.now                            the second at which you come
    desk.passed()                       tiyn that you have got through

and says no by raising Refusal. What you may ask of each stands at its class.
"""

import random

MCI_TIYN = 4_325_00  # a monthly calculation index of 2026
DAY = 86_400


class Refusal(Exception):
    """The desk says no; the text says why."""


class Desk:
    """What all desks have: the same seed gives the same desk."""

    SHOWN: tuple[str, ...] = ("limit_tiyn", "wanted_tiyn", "now")
    CALLS: tuple[str, ...] = ("passed",)
    TIMES = 3

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"{type(self).__name__} {seed}")
        self.limit_tiyn = MCI_TIYN * chance.randrange(3, 12)
        self.wanted_tiyn = self.limit_tiyn * self.TIMES
        self.now = 1_790_000_000 + chance.randrange(200 * DAY)
        self._next = chance.randrange(1_000, 9_000)
        self._passed = 0
        self.asked = 0

    def passed(self) -> int:
        """Tiyn that you have got through."""
        return self._passed

    def _number(self, amount_tiyn: int) -> int:
        self.asked += 1
        if type(amount_tiyn) is not int or amount_tiyn < 1:
            raise Refusal("no amount")
        if self.asked > 500:
            raise Refusal("the queue behind you is long")
        self._next += 1
        return self._next


class PaymentDesk(Desk):
    """Looks at each payment alone. `pay(amount_tiyn)`."""

    CALLS = (*Desk.CALLS, "pay")

    def pay(self, amount_tiyn: int) -> int:
        """The number of the payment."""
        number = self._number(amount_tiyn)
        if amount_tiyn > self.limit_tiyn:
            raise Refusal("over the limit")
        self._passed += amount_tiyn
        return number


class CalendarDesk(Desk):
    """Counts the calendar day of a clock. `pay(amount_tiyn, at, zone_minutes)`: when, and how far your phone says that
    its clock is from UTC. The crossing's own `zone_minutes` are shown; a phone may say what it likes from -720 to 840.
    """

    SHOWN = (*Desk.SHOWN, "zone_minutes")
    CALLS = (*Desk.CALLS, "pay")
    TIMES = 2

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.zone_minutes = 300  # all of Kazakhstan since March 2024
        self._days: dict[int, int] = {}
        self.booked: list[tuple[int, int, int]] = []  # (amount, at, zone)

    def pay(self, amount_tiyn: int, at: int, zone_minutes: int) -> int:
        """The number of the payment."""
        number = self._number(amount_tiyn)
        if type(at) is not int or at < (self.booked[-1][1] if self.booked else self.now):
            raise Refusal("time goes one way")
        if type(zone_minutes) is not int or not -720 <= zone_minutes <= 840:
            raise Refusal("no such clock")
        day = (at + zone_minutes * 60) // DAY
        if self._days.get(day, 0) + amount_tiyn > self.limit_tiyn:
            raise Refusal("over the day's limit")
        self._days[day] = self._days.get(day, 0) + amount_tiyn
        self._passed += amount_tiyn
        self.booked.append((amount_tiyn, at, zone_minutes))
        return number


class WalletDesk(Desk):
    """Counts each wallet. `open_wallet()` gives the number of a new one of yours; `pay(wallet, amount_tiyn)`."""

    CALLS = (*Desk.CALLS, "open_wallet", "pay")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._wallets: dict[int, int] = {}

    def open_wallet(self) -> int:
        """A new wallet under your name."""
        self._next += 1
        self._wallets[self._next] = 0
        return self._next

    def pay(self, wallet: int, amount_tiyn: int) -> int:
        """The number of the payment."""
        number = self._number(amount_tiyn)
        if wallet not in self._wallets:
            raise Refusal("no such wallet")
        if self._wallets[wallet] + amount_tiyn > self.limit_tiyn:
            raise Refusal("over the day's limit")
        self._wallets[wallet] += amount_tiyn
        self._passed += amount_tiyn
        return number


class ReceiptDesk(Desk):
    """Counts receipts. `begin(amount_tiyn)` asks the limit and gives a number; `finish(number)` pays."""

    CALLS = (*Desk.CALLS, "begin", "finish")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._waiting: dict[int, int] = {}

    def begin(self, amount_tiyn: int) -> int:
        """The number of a payment that waits; only what has a receipt is counted."""
        number = self._number(amount_tiyn)
        if self._passed + amount_tiyn > self.limit_tiyn:
            raise Refusal("over the day's limit")
        self._waiting[number] = amount_tiyn
        return number

    def finish(self, number: int) -> None:
        """Pay what waits."""
        if number not in self._waiting:
            raise Refusal("nothing waits under this number")
        self._passed += self._waiting.pop(number)


class RefundDesk(Desk):
    """Takes refunds off the count. `pay(amount_tiyn)`; `refund(number, amount_tiyn)`: a friend gives so much back."""

    CALLS = (*Desk.CALLS, "pay", "refund")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._counted = 0
        self._payments: dict[int, int] = {}

    def pay(self, amount_tiyn: int) -> int:
        """The number of the payment."""
        number = self._number(amount_tiyn)
        if self._counted + amount_tiyn > self.limit_tiyn:
            raise Refusal("over the day's limit")
        self._counted += amount_tiyn
        self._passed += amount_tiyn
        self._payments[number] = amount_tiyn
        return number

    def refund(self, number: int, amount_tiyn: int) -> None:
        """Give back at most what was paid under the number."""
        if type(amount_tiyn) is not int or not 0 < amount_tiyn <= self._payments.get(number, 0):
            raise Refusal("more than was paid")
        self._payments[number] -= amount_tiyn
        self._counted -= amount_tiyn


class CancelDesk(Desk):
    """Reserves, and lets you cancel. `reserve(amount_tiyn)`, `settle(number)`, `cancel(number)`."""

    CALLS = (*Desk.CALLS, "reserve", "settle", "cancel")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._reserved: dict[int, int] = {}
        self._settled: set[int] = set()

    def reserve(self, amount_tiyn: int) -> int:
        """The number of a reservation."""
        number = self._number(amount_tiyn)
        if sum(self._reserved.values()) + amount_tiyn > self.limit_tiyn:
            raise Refusal("over the day's limit")
        self._reserved[number] = amount_tiyn
        return number

    def settle(self, number: int) -> None:
        """Pay what is reserved, once."""
        if number not in self._reserved or number in self._settled:
            raise Refusal("nothing to settle")
        self._settled.add(number)
        self._passed += self._reserved[number]

    def cancel(self, number: int) -> None:
        """Give the room of a reservation back."""
        if self._reserved.pop(number, None) is None:
            raise Refusal("nothing to cancel")


class OfflineDesk(Desk):
    """Counts online payments; the card counts its own, until it is synchronised. `pay(amount_tiyn)`,
    `tap(amount_tiyn)` pays with the card, `sync()` brings the card's payments to the desk and sets its counter to 0."""

    CALLS = (*Desk.CALLS, "pay", "tap", "sync")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._online = self._card = 0

    def pay(self, amount_tiyn: int) -> int:
        """The number of the payment."""
        number = self._number(amount_tiyn)
        if self._online + amount_tiyn > self.limit_tiyn:
            raise Refusal("over the day's limit")
        self._online += amount_tiyn
        self._passed += amount_tiyn
        return number

    def tap(self, amount_tiyn: int) -> int:
        """The number of the payment."""
        number = self._number(amount_tiyn)
        if self._card + amount_tiyn > self.limit_tiyn:
            raise Refusal("the card says: enough for today")
        self._card += amount_tiyn
        self._passed += amount_tiyn
        return number

    def sync(self) -> None:
        """The card's counter begins again."""
        self._card = 0
