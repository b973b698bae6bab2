"""A limit book that works everything out anew from what was done; and the real ledger's day limit. Never given."""

import random
from types import SimpleNamespace
from typing import Any

from windows import Answer, Event, Limits, Window

from cbdc.errors import Refused
from cbdc.ledger.entry import Policy
from cbdc.ledger.rules_payment import check_limits
from cbdc.ledger.state import RegisteredKey, StateKey
from cbdc.token import PERSON, KeyLock, Token

DAY = 86_400
NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")


class Referee:
    """The same rules as `step`, from the list of done events alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.done: list[Event] = []

    @property
    def now(self) -> int:
        """The latest time of what was done."""
        return self.done[-1][4] if self.done else 0

    def ask(self, event: Event) -> Answer:
        """The answer; what is done is kept."""
        kind, identity, name, amount_tiyn, at = event
        now = max(at, self.now)
        answer = self._judged(kind, identity, name, amount_tiyn, now)
        if answer == ("again", ""):
            return ("", "")
        if answer == ("", ""):
            self.done.append((kind, identity, name, amount_tiyn, now))
        return answer

    def counted(self, wallet: str, seconds: int, now: int) -> int:
        """What counts for the owner of a wallet in a window that ends now."""
        total = 0
        for kind, identity, name, amount_tiyn, since in self.done:
            if kind not in ("reserve", "load") or self.limits.owners[name] != self.limits.owners[wallet]:
                continue
            if kind == "load":
                reports = [(one[3], one[4]) for one in self._after("sync", identity)]
                total += sum(part for part, when in reports if now < when + seconds)
                if not self._unloaded(identity, name):
                    total += amount_tiyn - sum(part for part, _ in reports)
            elif settled := self._after("settle", identity):
                total += amount_tiyn if now < settled[0][4] + seconds else 0
            elif not self._after("cancel", identity) and now < since + self.limits.hold_seconds:
                total += amount_tiyn
        return total

    def room(self, wallet: str, at: int) -> int:
        """The most that a reservation may take."""
        now = max(at, self.now)
        left = [one.limit_tiyn - self.counted(wallet, one.seconds, now) for one in self.limits.windows]
        return max(0, min(self.limits.payment_tiyn, *left))

    def _after(self, kind: str, name: str) -> list[Event]:
        return [one for one in self.done if one[0] == kind and one[2] == name]

    def _first(self, kinds: tuple[str, ...], identity: str) -> Event | None:
        return next((one for one in self.done if one[0] in kinds and one[1] == identity), None)

    def _unloaded(self, load: str, wallet: str) -> bool:
        place = next(place for place, one in enumerate(self.done) if one[0] == "load" and one[1] == load)
        return any(one[0] == "unload" and one[2] == wallet for one in self.done[place:])

    def _judged(self, kind: str, identity: str, name: str, amount_tiyn: int, now: int) -> Answer:
        if kind in ("settle", "cancel"):
            return self._ended(kind, name, now), ""
        known = self._first(("reserve", "refund", "load", "sync", "unload"), identity)
        if known is not None:
            same = (known[0], known[2], known[3]) == (kind, name, amount_tiyn)
            return ("again" if same else "E_ID_REUSED"), ""
        if kind in ("refund", "sync"):
            return self._part(kind, name, amount_tiyn), ""
        if name not in self.limits.owners:
            return "E_WALLET", ""
        if kind == "unload":
            return "", ""
        if amount_tiyn < 1:
            return "E_AMOUNT", ""
        if amount_tiyn > self.limits.payment_tiyn:
            return "E_LIMIT_PAYMENT", ""
        for one in self.limits.windows:
            if self.counted(name, one.seconds, now) + amount_tiyn > one.limit_tiyn:
                return "E_LIMIT_PERIOD", one.name
        return "", ""

    def _ended(self, kind: str, name: str, now: int) -> str:
        found = self._first(("reserve",), name)
        if found is None:
            return "E_UNKNOWN"
        if self._after(kind, name):
            return "again"
        if kind == "cancel":
            return "E_SETTLED" if self._after("settle", name) else ""
        if self._after("cancel", name):
            return "E_CANCELLED"
        return "E_EXPIRED" if now >= found[4] + self.limits.hold_seconds else ""

    def _part(self, kind: str, name: str, amount_tiyn: int) -> str:
        found = self._first(("reserve",) if kind == "refund" else ("load",), name)
        if found is None or (kind == "refund" and not self._after("settle", name)):
            return "E_UNKNOWN"
        if amount_tiyn < 1:
            return "E_AMOUNT"
        left = found[3] - sum(one[3] for one in self._after(kind, name))
        if kind == "refund":
            return "E_REFUND" if amount_tiyn > left else ""
        return "E_LOAD" if amount_tiyn > left or self._unloaded(name, found[2]) else ""


def limits_of(chance: random.Random) -> Limits:
    """Limits with figures and names of chance: two people, of whom one has three wallets."""
    one, two = chance.sample(NAMES, 2)
    wallets = [f"w{number}" for number in chance.sample(range(1000), 5)]
    owners = dict(zip(wallets, chance.sample([one, one, one, two, two], 5), strict=True))
    short = chance.randrange(1_000_00, 20_000_00)
    windows = [
        Window("day", DAY - chance.randrange(3) * 3600, short),
        Window("week", chance.randrange(5, 9) * DAY, short * 3 + chance.randrange(1000)),
    ]
    if chance.random() < 0.5:
        windows.append(Window("hour", 3600, short // 2 + 1))
    chance.shuffle(windows)
    payment = short - chance.randrange(short // 5) if chance.random() < 0.5 else short
    return Limits(payment, tuple(windows), chance.randrange(60, 7200), owners)


def real_day_limit(limit_tiyn: int, payments: list[tuple[str, int, int]]) -> list[str]:
    """What guard G9 of the product says of (person, amount, at), each from a new key of the person; "" is accepted."""
    policy = Policy("lab", ((2, 0, 0, limit_tiyn),), 5 * 3600)
    counters: dict[StateKey, Any] = {}
    said = []
    for number, (person, amount_tiyn, at) in enumerate(payments):
        payer = RegisteredKey(1, bytes([number]) * 32, 1, 2, PERSON, person.encode().ljust(32, b"."))
        shop = RegisteredKey(1, bytes(32), 1, 2, PERSON, b"shop".ljust(32, b"."))
        token = Token(amount_tiyn, KeyLock(bytes(32)))
        moved: dict[StateKey, int] = {}
        draft = SimpleNamespace(spent=[(None, token, payer)], created=[(token, shop)], moved=_Counting(moved))
        view = _View(counters)
        case = SimpleNamespace(draft=draft, view=view, genesis=SimpleNamespace(policy=policy), now=at)
        try:
            check_limits(case)  # type: ignore[arg-type]
        except Refused as error:
            said.append(error.code)
            continue
        for key, moved_tiyn in draft.moved.items():
            counters[key] = counters.get(key, 0) + moved_tiyn
        said.append("")
    return said


class _View(dict[StateKey, Any]):
    def __missing__(self, key: StateKey) -> None:
        return None


class _Counting(dict[StateKey, int]):
    def __missing__(self, key: StateKey) -> int:
        return 0
