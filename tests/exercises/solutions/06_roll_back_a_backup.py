"""A solution of roll back a backup. Students: this is where the fun ends."""

from pocket import SLOTS, Bank, Chip, State, Store, digest, message, pack, unpack
from repairs import Stall

from cbdc.record import Signed
from offline.records import SyncRequest, Transfer

RISING = (
    "counter",
    "invoice_number",
    "out_total_tiyn",
    "in_total_tiyn",
    "out_count",
    "in_count",
    "trust_sequence",
)


def spend_again(stall: Stall) -> str:
    """Before the first payment there is a file in which the note is not spent."""
    note = min(stall.held())
    file = stall.save()
    stall.pay(note, stall.shops[0])
    stall.restore(file)
    stall.pay(note, stall.shops[1])
    return note


def hide_a_taking(stall: Stall) -> int:
    """The file from before knows of no taking."""
    file = stall.save()
    stall.take()
    stall.pay(stall.payment[0], stall.shops[0])
    stall.restore(file)
    return stall.report()


def guess_the_pin(stall: Stall) -> str:
    """Two tries, and the count is zero again."""
    file = stall.save()
    for number, year in enumerate(range(1950, 2010)):
        if number % 2 == 0:
            stall.restore(file)
        if stall.try_pin(str(year)):
            return str(year)
    return ""


class Stale(Exception):
    """The newest state is not here."""


class Wrong(Exception):
    """This cannot be paid."""


class Blocked(Exception):
    """Three wrong tries."""


def wake(store: Store, chip: Chip) -> State:
    """The slot that the chip knows."""
    _, known = chip.held()
    for slot in SLOTS:
        data = store.read(slot)
        if digest(data) == known:
            return unpack(data)
    raise Stale


def _step(store: Store, chip: Chip, state: State) -> None:
    """Write beside the newest, then tell the chip."""
    number, known = chip.held()
    state["number"] = number + 1
    data = pack(state)
    free = next(slot for slot in SLOTS if digest(store.read(slot)) != known)
    store.write(free, data)
    chip.advance(number + 1, digest(data))


def pay(store: Store, chip: Chip, order: str, note: str, payee: str) -> tuple[bytes, bytes]:
    """The intent first, then the chip, then the signature."""
    state = wake(store, chip)
    if order not in state["paid"]:
        if note not in state["notes"]:
            raise Wrong
        amount_tiyn = state["notes"].pop(note)
        state["paid"][order] = [note, amount_tiyn, payee, state["number"] + 1]
        _step(store, chip, state)
    paid = state["paid"][order]
    if (paid[0], paid[2]) != (note, payee):
        raise Wrong
    data = message(order, note, paid[1], payee, paid[3])
    return data, chip.sign(data)


def take(store: Store, chip: Chip, note: str, amount_tiyn: int) -> int:
    """Once, also after it was spent."""
    state = wake(store, chip)
    if note not in state["seen"]:
        state["seen"].append(note)
        state["notes"][note] = amount_tiyn
        _step(store, chip, state)
    return sum(state["notes"].values())


def try_pin(store: Store, chip: Chip, pin: str) -> bool:
    """Counted before it is judged."""
    state = wake(store, chip)
    if state["tries"] >= 3:
        raise Blocked
    state["tries"] += 1
    _step(store, chip, state)
    if not chip.pin_is(pin):
        return False
    state["tries"] = 0
    _step(store, chip, state)
    return True


def recover(bank: Bank, device: str, backup: State) -> int:
    """The backup is not asked."""
    bank.revoke(device)
    paid_tiyn = 0
    for note in bank.notes_of(device):
        _, amount_tiyn, spent, closed, refunded = bank.about(note)
        if closed and not spent and not refunded:
            bank.refund(note)
            paid_tiyn += amount_tiyn
    return paid_tiyn


def read_papers(first: Signed[Transfer | SyncRequest], second: Signed[Transfer | SyncRequest]) -> list[int]:
    """The table of the page."""
    if first.oid == second.oid:
        return []
    pair = sorted((first, second), key=lambda one: isinstance(one.record, SyncRequest))
    one, two = (each.record for each in pair)
    if isinstance(two, Transfer):
        same = {1: one.outpoint == two.outpoint, 2: one.counter == two.counter or one.link == two.link}
        return [number for number, holds in same.items() if holds]
    if isinstance(one, Transfer):
        held = {(previous, index) for previous, index, _ in two.purse}
        return [3] if tuple(one.outpoint) in held and one.counter <= two.counter else []
    low, high = (each.record for each in sorted(pair, key=lambda each: (each.record.sync_number, each.oid)))
    fell = low.sync_number == high.sync_number
    fell = fell or any(getattr(high, name) < getattr(low, name) for name in RISING)
    fell = fell or (low.counter == high.counter) != (low.head == high.head)
    return [3] if fell else []
