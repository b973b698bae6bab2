"""Split the limit. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        what passes the desks
"""

from typing import Any

from crossing import (
    CalendarDesk,
    CancelDesk,
    OfflineDesk,
    PaymentDesk,
    ReceiptDesk,
    RefundDesk,
    Refusal,
    WalletDesk,
)
from windows import Answer, Event, Limits

State = Any
"""Whatever you like, of numbers, texts, lists, tuples, sets and dicts."""


def example_many_small_payments(desk: PaymentDesk) -> None:
    """A worked example: a desk that looks at each payment alone lets any number through."""
    while desk.passed() < desk.wanted_tiyn:
        desk.pay(desk.limit_tiyn)


# --- part 1: attacks. After each, `desk.passed()` is `desk.wanted_tiyn` or more. ---


def over_midnight(desk: CalendarDesk) -> None:
    """Twice the limit within two minutes, by the crossing's own clock (`desk.zone_minutes`) alone."""
    raise NotImplementedError("TODO")


def around_the_clock(desk: CalendarDesk) -> None:
    """Twice the limit in one and the same second."""
    raise NotImplementedError("TODO")


def two_wallets(desk: WalletDesk) -> None:
    """One person, many wallets."""
    raise NotImplementedError("TODO")


def all_at_once(desk: ReceiptDesk) -> None:
    """Nothing has a receipt before it is finished."""
    raise NotImplementedError("TODO")


def round_trip(desk: RefundDesk) -> None:
    """A friend gives back what you paid, and you pay again."""
    raise NotImplementedError("TODO")


def cancel_what_is_paid(desk: CancelDesk) -> None:
    """Get the room back without the money."""
    raise NotImplementedError("TODO")


def tap_and_sync(desk: OfflineDesk) -> None:
    """A counter that begins again whenever it is read."""
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


def new_book() -> State:
    """The state of a limit book that has been told nothing."""
    raise NotImplementedError("TODO")


def step(limits: Limits, state: State, event: Event) -> tuple[State, Answer]:
    """Tell the book one event: the new state, and the answer. A refusal changes nothing.

    Time goes one way: an event whose `at` lies before the latest time of any event that was done happens at that latest
    time ("now" below). All wallets of one owner share one count. What counts:

    - a reservation, while it waits and now < its time + hold_seconds: in every window, however short;
    - a settled payment: from the moment when it was **settled**, as long as now < that moment + window.seconds;
    - a load for offline use: what is open of it, in every window, until it is unloaded;
    - what a sync reports: from the moment of the sync, as a settled payment does.

    Kinds of events, and their refusals, asked in this order:

    reserve  E_ID_REUSED: the id was used for something else. E_WALLET: nobody's wallet. E_AMOUNT: below 1.
             E_LIMIT_PAYMENT: above limits.payment_tiyn. E_LIMIT_PERIOD: what counts, with this, is above a window's
             limit; the first such window, in the order of the rules, is named.
    settle   E_UNKNOWN: no such reservation. E_CANCELLED: it was cancelled. E_EXPIRED: it was not settled, and
             now >= its time + hold_seconds.
    cancel   E_UNKNOWN. E_SETTLED: it was paid; refund it. One that has expired may be cancelled.
    refund   E_ID_REUSED. E_UNKNOWN: no such reservation, or not settled. E_AMOUNT. E_REFUND: all its refunds together
             would exceed it. A refund makes no room, in any window.
    load     as reserve, the same five.
    sync     E_ID_REUSED. E_UNKNOWN: no load of that id. E_AMOUNT. E_LOAD: more than is open of it. It moves so much
             from open to paid, and is never refused by a limit: it has happened.
    unload   E_ID_REUSED. E_WALLET. `name` is a wallet: all that is open of its loads is given back, and counts no more.

    Told twice, an event is done once: reserve, refund, load, sync and unload that were done under this id with the same
    kind, name and amount (whatever `at`) answer ("", "") again and change nothing; settling what is settled and
    cancelling what is cancelled too. The ids of settle and cancel are not kept. A refused event may come again.
    """
    raise NotImplementedError("TODO")


def room(limits: Limits, state: State, wallet: str, at: int) -> int:
    """The most that one reservation from this known wallet may take at `at` (or now, if later); never below 0."""
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    attacks = {
        example_many_small_payments: PaymentDesk,
        over_midnight: CalendarDesk,
        around_the_clock: CalendarDesk,
        two_wallets: WalletDesk,
        all_at_once: ReceiptDesk,
        round_trip: RefundDesk,
        cancel_what_is_paid: CancelDesk,
        tap_and_sync: OfflineDesk,
    }
    for attack, kind in attacks.items():
        desk = kind(seed=7)
        try:
            attack(desk)
        except NotImplementedError:
            print(f"{attack.__name__:<28}not written yet")
        except Refusal as refusal:
            print(f"{attack.__name__:<28}refused: {refusal}")
        else:
            print(f"{attack.__name__:<28}{desk.passed()} of {desk.wanted_tiyn} tiyn, limit {desk.limit_tiyn}")
