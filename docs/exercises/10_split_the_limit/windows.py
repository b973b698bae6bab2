"""What the second part is about: the rules of a limit, and the events that a limit book is told. Plain data.

Every figure is an assumption. Amounts are whole tiyn, times whole seconds.
"""

from typing import NamedTuple


class Window(NamedTuple):
    """At most `limit_tiyn` in any `seconds` seconds: what counts at t counts from t until before t + seconds."""

    name: str
    seconds: int
    limit_tiyn: int


class Limits(NamedTuple):
    """The most of one payment, the windows, how long a reservation is held, and whose wallet is whose."""

    payment_tiyn: int
    windows: tuple[Window, ...]
    hold_seconds: int
    owners: dict[str, str]


Event = tuple[str, str, str, int, int]
"""(kind, id, name, amount_tiyn, at). `name` is a wallet for reserve, load and unload; for settle, cancel and refund it
is the id of the reservation; for sync it is the id of the load. `amount_tiyn` is 0 for settle, cancel and unload."""

Answer = tuple[str, str]
"""(code, name of the window that refused). Both empty: done. The name is empty for any other refusal."""
