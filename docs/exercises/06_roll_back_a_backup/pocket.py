"""What the second part is played with: a phone's storage, its chip, and the desk of a bank.

Everything in `Store` can be read, copied and put back by whoever holds the phone. Nothing in `Chip` can. Power can fail
before or after any call that changes something: then `Cut` is raised. You may plan cuts to try your code:

    phone = Phone({"N1": 500_00}, cuts=[("advance", "before")])
    phone.store.read("a"), phone.chip.held()
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cbdc.keys import ED25519, SoftwareKey

SLOTS = ("a", "b")
State = dict[str, Any]
"""number     how many steps led here; each step raises it by one
notes      what the phone holds: name -> tiyn
paid       order -> [note, tiyn, payee, number]: every payment that was ever decided, and its step's number
seen       names of all notes that were ever taken, those spent since too
tries      wrong PINs since the last right one"""


class Cut(Exception):
    """The power went. What was written is written, what was not is not."""


def fresh(notes: Mapping[str, int]) -> State:
    """The first state of a phone with these notes."""
    return {"number": 1, "notes": dict(notes), "paid": {}, "seen": sorted(notes), "tries": 0}


def pack(state: State) -> bytes:
    """A state as bytes; one state has one form."""
    return json.dumps(state, sort_keys=True, separators=(",", ":")).encode()


def unpack(data: bytes) -> State:
    """The state in these bytes; ValueError when they are none."""
    state = json.loads(data)
    if not isinstance(state, dict):
        raise ValueError("no state")
    return state


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def message(order: str, note: str, amount_tiyn: int, payee: str, number: int) -> bytes:
    """What a payment signs; `number` is that of the step that decided it."""
    return json.dumps(["pay", order, note, amount_tiyn, payee, number]).encode()


class Power:
    """Cuts a call short when its turn has come; the phone's parts share it."""

    def __init__(self, cuts: Iterable[tuple[str, str]] = ()) -> None:
        self.cuts = list(cuts)

    def around(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work, with a cut before or after it if the next cut is for this call."""
        planned = self.cuts.pop(0)[1] if self.cuts and self.cuts[0][0] == name else ""
        if planned == "before":
            raise Cut(name)
        value = work()
        if planned == "after":
            raise Cut(name)
        return value


class Store:
    """The phone's storage: two slots. A write is whole or not at all. Who holds the phone can put old bytes back."""

    SHOWN: tuple[str, ...] = ()
    CALLS = ("read", "write")

    def __init__(self, power: Power) -> None:
        self._power = power
        self.slots = dict.fromkeys(SLOTS, b"")
        self.copies: list[dict[str, bytes]] = []

    def read(self, slot: str) -> bytes:
        """What stands in the slot "a" or "b"; nothing at first."""
        return self.slots[slot]

    def write(self, slot: str, data: bytes) -> None:
        """Replace what stands in a slot."""
        if slot not in SLOTS or type(data) is not bytes:
            raise ValueError("a slot is a or b, and holds bytes")

        def work() -> None:
            self.slots[slot] = data
            self.copies.append(dict(self.slots))

        self._power.around("write", work)


class Chip:
    """A small chip that nobody opens: a key, a counter that only rises, a place for 32 bytes, and the PIN."""

    SHOWN: tuple[str, ...] = ()
    CALLS = ("held", "advance", "sign", "pin_is")

    def __init__(self, power: Power, key: SoftwareKey, pin: str) -> None:
        self._power, self._key, self._pin = power, key, pin
        self._held = (0, bytes(32))
        self.signed: list[bytes] = []
        self.guesses: list[str] = []

    def held(self) -> tuple[int, bytes]:
        """(counter, the 32 bytes that came with its last step)."""
        return self._held

    def advance(self, number: int, data: bytes) -> None:
        """One step: the counter rises to `number`, and these 32 bytes are held. ValueError if it is not the next."""
        if number != self._held[0] + 1 or type(data) is not bytes or len(data) != 32:
            raise ValueError("the counter rises by one, with 32 bytes")
        self._power.around("advance", lambda: setattr(self, "_held", (number, data)))

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature: the same bytes give the same signature."""

        def work() -> bytes:
            self.signed.append(data)
            return self._key.sign(data)

        return bytes(self._power.around("sign", work))

    def pin_is(self, pin: str) -> bool:
        """Whether this is the PIN. The chip counts nothing: that is your work."""

        def work() -> bool:
            self.guesses.append(pin)
            return pin == self._pin

        return bool(self._power.around("pin_is", work))


class Phone:
    """A store and a chip that belong together, with their first state."""

    def __init__(
        self,
        notes: Mapping[str, int],
        cuts: Iterable[tuple[str, str]] = (),
        secret: bytes = bytes(32),
        pin: str = "1987",
    ) -> None:
        self.power = Power()
        key = SoftwareKey(ED25519, secret)
        self.public = key.public
        self.store, self.chip = Store(self.power), Chip(self.power, key, pin)
        data = pack(fresh(notes))
        self.store.write("a", data)
        self.chip.advance(1, digest(data))
        self.power.cuts = list(cuts)


class Bank:
    """The desk for lost phones. `refund` pays out each time it is called; nothing here thinks for you."""

    SHOWN: tuple[str, ...] = ()
    CALLS = ("revoke", "notes_of", "about", "refund")

    def __init__(self, rows: Mapping[str, tuple[str, int, bool, bool]], power: Power) -> None:
        self._rows, self._power = dict(rows), power
        self.revoked: list[str] = []
        self.refunds: list[tuple[str, bool]] = []

    def revoke(self, device: str) -> None:
        """From now on no shop takes anything of this device. Once more changes nothing."""
        self._power.around("revoke", lambda: self.revoked.append(device))

    def notes_of(self, device: str) -> list[str]:
        """The notes of which the bank knows that this device got them."""
        return sorted(note for note, row in self._rows.items() if row[0] == device)

    def about(self, note: str) -> tuple[str, int, bool, bool, bool]:
        """(whose device got it, tiyn, a payment of it has come in, it is closed, it was refunded).

        Until a note is closed shops may still bring payments of it. A stranger's note is ("", 0, False, False, False).
        """
        row = self._rows.get(note, ("", 0, False, False))
        return (*row, any(one == note for one, _ in self.refunds))

    def refund(self, note: str) -> None:
        """Pay the note's tiyn to the owner of the device that got it, and write that down: one step."""
        device = self.about(note)[0]
        self._power.around("refund", lambda: self.refunds.append((note, device in self.revoked)))
