"""A solution of split the limit. Students: this is where the fun ends."""

from copy import deepcopy
from typing import Any

from crossing import CalendarDesk, CancelDesk, OfflineDesk, ReceiptDesk, RefundDesk, WalletDesk
from windows import Answer, Event, Limits

State = Any
DONE: Answer = ("", "")


def over_midnight(desk: CalendarDesk) -> None:
    """The last second of a day and the first of the next."""
    zone = desk.zone_minutes * 60
    midnight = ((desk.now + zone) // 86_400 + 1) * 86_400 - zone
    if midnight - 1 < desk.now:
        midnight += 86_400
    desk.pay(desk.limit_tiyn, midnight - 1, desk.zone_minutes)
    desk.pay(desk.limit_tiyn, midnight, desk.zone_minutes)


def around_the_clock(desk: CalendarDesk) -> None:
    """Two clocks that disagree about the date."""
    desk.pay(desk.limit_tiyn, desk.now, -720)
    desk.pay(desk.limit_tiyn, desk.now, 840)


def two_wallets(desk: WalletDesk) -> None:
    """A wallet for each payment."""
    while desk.passed() < desk.wanted_tiyn:
        desk.pay(desk.open_wallet(), desk.limit_tiyn)


def all_at_once(desk: ReceiptDesk) -> None:
    """First all, then all."""
    for number in [desk.begin(desk.limit_tiyn) for _ in range(desk.wanted_tiyn // desk.limit_tiyn + 1)]:
        desk.finish(number)


def round_trip(desk: RefundDesk) -> None:
    """There and back."""
    while desk.passed() < desk.wanted_tiyn:
        desk.refund(desk.pay(desk.limit_tiyn), desk.limit_tiyn)


def cancel_what_is_paid(desk: CancelDesk) -> None:
    """Paid, then cancelled."""
    while desk.passed() < desk.wanted_tiyn:
        number = desk.reserve(desk.limit_tiyn)
        desk.settle(number)
        desk.cancel(number)


def tap_and_sync(desk: OfflineDesk) -> None:
    """The card forgets."""
    desk.pay(desk.limit_tiyn)
    while desk.passed() < desk.wanted_tiyn:
        desk.tap(desk.limit_tiyn)
        desk.sync()


def new_book() -> State:
    """Nothing."""
    return {"now": 0, "ids": {}, "held": {}, "loads": {}, "paid": []}


def step(limits: Limits, state: State, event: Event) -> tuple[State, Answer]:
    """A copy is changed and kept only when the event is done."""
    kind, identity, name, amount_tiyn, at = event
    book = deepcopy(state)
    now = book["now"] = max(state["now"], at)
    if kind in ("settle", "cancel"):
        code, window = (_settle if kind == "settle" else _cancel)(limits, book, name, now), ""
    else:
        known = state["ids"].get(identity)
        if known is not None:
            return state, DONE if known == (kind, name, amount_tiyn) else ("E_ID_REUSED", "")
        code, window = _new(limits, book, event, now)
        book["ids"][identity] = (kind, name, amount_tiyn)
    if code == "again":
        return state, DONE
    return (state, (code, window)) if code else (book, DONE)


def _new(limits: Limits, book: State, event: Event, now: int) -> Answer:
    kind, identity, name, amount_tiyn, _ = event
    match kind:
        case "reserve" | "load":
            if name not in limits.owners:
                return "E_WALLET", ""
            if amount_tiyn < 1:
                return "E_AMOUNT", ""
            if amount_tiyn > limits.payment_tiyn:
                return "E_LIMIT_PAYMENT", ""
            for window in limits.windows:
                if _counted(limits, book, name, window.seconds, now) + amount_tiyn > window.limit_tiyn:
                    return "E_LIMIT_PERIOD", window.name
            if kind == "load":
                book["loads"][identity] = [name, amount_tiyn]
            else:
                book["held"][identity] = [name, amount_tiyn, now, "waits", 0]
        case "refund":
            return _refund(book, name, amount_tiyn), ""
        case "sync":
            return _sync(book, name, amount_tiyn, now), ""
        case _:
            if name not in limits.owners:
                return "E_WALLET", ""
            for load in book["loads"].values():
                if load[0] == name:
                    load[1] = 0
    return DONE


def _counted(limits: Limits, book: State, wallet: str, seconds: int, now: int) -> int:
    owner = limits.owners[wallet]
    total = sum(
        amount
        for name, amount, since, status, _ in book["held"].values()
        if limits.owners[name] == owner and status == "waits" and now < since + limits.hold_seconds
    )
    total += sum(left for name, left in book["loads"].values() if limits.owners[name] == owner)
    return total + sum(
        amount for name, amount, paid in book["paid"] if limits.owners[name] == owner and now < paid + seconds
    )


def _settle(limits: Limits, book: State, name: str, now: int) -> str:
    held = book["held"].get(name)
    if held is None:
        return "E_UNKNOWN"
    if held[3] != "waits":
        return "again" if held[3] == "settled" else "E_CANCELLED"
    if now >= held[2] + limits.hold_seconds:
        return "E_EXPIRED"
    held[3] = "settled"
    book["paid"].append((held[0], held[1], now))
    return ""


def _cancel(limits: Limits, book: State, name: str, now: int) -> str:
    held = book["held"].get(name)
    if held is None:
        return "E_UNKNOWN"
    if held[3] != "waits":
        return "again" if held[3] == "cancelled" else "E_SETTLED"
    held[3] = "cancelled"
    return ""


def _refund(book: State, name: str, amount_tiyn: int) -> str:
    held = book["held"].get(name)
    if held is None or held[3] != "settled":
        return "E_UNKNOWN"
    if amount_tiyn < 1:
        return "E_AMOUNT"
    if held[4] + amount_tiyn > held[1]:
        return "E_REFUND"
    held[4] += amount_tiyn
    return ""


def _sync(book: State, name: str, amount_tiyn: int, now: int) -> str:
    load = book["loads"].get(name)
    if load is None:
        return "E_UNKNOWN"
    if amount_tiyn < 1:
        return "E_AMOUNT"
    if amount_tiyn > load[1]:
        return "E_LOAD"
    load[1] -= amount_tiyn
    book["paid"].append((load[0], amount_tiyn, now))
    return ""


def room(limits: Limits, state: State, wallet: str, at: int) -> int:
    """The least that any rule leaves."""
    now = max(at, state["now"])
    left = [one.limit_tiyn - _counted(limits, state, wallet, one.seconds, now) for one in limits.windows]
    return max(0, min(limits.payment_tiyn, *left)) if left else limits.payment_tiyn
