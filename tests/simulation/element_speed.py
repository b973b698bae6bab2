"""What the calls of a simulated element cost, beside the bare signature in them.

    python -m tests.simulation.element_speed [ROUNDS]

plays ROUNDS payments (200) between fresh elements, each way of keeping their journals and of reaching them in turn, and
prints the median and the quickest of each call in microseconds, and the median over that of signing (which verifies its
own signature). The last rows are one shop that never empties its purse: a step must cost what it changes.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cbdc.keys import ES256, SoftwareKey, forget_verified
from cbdc.money import tenge
from cbdc.ports import SeededEntropy, stopwatch
from cbdc.token import MERCHANT
from offline.element import SimulatedSecureElement
from offline.element_client import ElementProcess, LocalChannel, RemoteElement, element_command
from offline.element_protocol import SecureElement
from offline.element_server import Drawer, ElementServer
from offline.journal import Journal, JournalFolder, MemoryJournal
from offline.journal_store import JournalStore
from offline.purse import Caps
from offline.records import Outpoint
from tests.offline.world import NOW, World

SEED = 7
Times = dict[str, list[float]]


class Payments:
    """Payments between elements that `element` makes; the times of each call."""

    def __init__(self, element: Callable[[int], SecureElement], group: Any = nullcontext) -> None:
        self.world = World("speed")
        self.element = element
        self.group = group
        self.times: Times = {}
        self._addresses = iter(range(1 << 20))

    def made(self, category: int) -> SecureElement:
        address = next(self._addresses)
        element = self.element(address)
        raw = element.public_key.raw
        made = self.world.make_device(str(address), algorithm=ES256, public_key=raw, category=category)
        element.provision(self.world.trust, made.certificate)
        return element

    def timed(self, what: str, call: Callable[[], Any]) -> Any:
        start = stopwatch()
        answer = call()
        self.times.setdefault(what, []).append(stopwatch() - start)
        return answer

    def pay(self, payer: SecureElement, payee: SecureElement, id: bytes, count: str = "") -> None:
        """One payment: load, invoice, pay, accept."""
        note = self.world.make_note(payer.public_key.kid, tenge(2))
        certificates = payer.certificate, payee.certificate
        self.timed("load", lambda: payer.load(note, NOW))
        wishes = (tenge(1), 0, NOW + 600, 1, 9_000, b"", b"")
        invoice = self.timed(f"invoice{count}", lambda: payee.invoice(id, *wishes, NOW))
        picks = [Outpoint(note.oid, 0)]
        paid = self.timed(f"pay{count}", lambda: payer.pay(invoice, certificates[1], picks, NOW))
        taken = (invoice.oid, paid, [Caps(5, 12)], certificates[0], NOW)
        self.timed(f"accept{count}", lambda: payee.accept(*taken))

    def many(self, rounds: int) -> Times:
        """`rounds` payments, four between each pair."""
        with self.group():
            for number in range(rounds):
                if number % 4 == 0:
                    payer, payee = self.made(1), self.made(MERCHANT)
                self.pay(payer, payee, b"%d" % number)
        return self.times


def element_with(journal: Callable[[str], Journal]) -> Callable[[int], SecureElement]:
    """Elements in this process with these journals."""
    return lambda address: SimulatedSecureElement(journal(f"{address}"), SeededEntropy(SEED), b"%d" % address)


def ways(folder: Path, rounds: int) -> Mapping[str, Callable[[], Times]]:
    """Each way of keeping journals and of reaching elements."""

    def stored() -> Times:
        store = JournalStore(folder / "store", durable=False)
        return Payments(element_with(store.journal)).many(rounds)

    def grouped() -> Times:
        store = JournalStore(folder / "grouped")
        return Payments(element_with(store.journal), store.group).many(rounds)

    def files(durable: bool) -> Times:
        journals = JournalFolder(folder / f"files {durable}", durable)
        return Payments(element_with(journals.journal)).many(rounds)

    def channel() -> Times:
        server = ElementServer(Drawer(lambda name: MemoryJournal(), SeededEntropy(SEED)))
        return Payments(lambda address: RemoteElement(LocalChannel(server), address)).many(rounds)

    def process() -> Times:
        with ElementProcess(element_command(folder / "process", SEED, durable=False)) as made:
            return Payments(lambda address: RemoteElement(made, address)).many(rounds)

    return {
        "in memory": lambda: Payments(element_with(lambda name: MemoryJournal())).many(rounds),
        "a file each": lambda: files(durable=False),
        "a file each, durable": lambda: files(durable=True),
        "one file for all": stored,
        "one file, durable, one group": grouped,
        "behind a byte channel, in memory": channel,
        "a process of its own, a file each": process,
    }


def full_purse(slots: int) -> Times:
    """A shop whose purse fills up; the calls when it holds a hundred outpoints, and when it holds `slots`."""
    payments = Payments(element_with(lambda name: MemoryJournal()))
    shop = payments.made(MERCHANT)
    for number in range(slots):
        if number % 10 == 0:
            payer = payments.made(1)
        held = next((size for size in (100, slots) if size - 20 <= number < size), 0)
        payments.pay(payer, shop, b"%d" % number, f", {held} outpoints" if held else "")
    return {what: times for what, times in payments.times.items() if "outpoints" in what}


def signature_seconds() -> float:
    """The median of signing once, with the verification that a signer owes itself."""
    key, times = SoftwareKey(ES256, b"1" * 32), []
    for number in range(300):
        start = stopwatch()
        key.sign(b"%d" % number)
        times.append(stopwatch() - start)
    return statistics.median(times)


def main(rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        rows = []
        for way, play in {**ways(Path(name), rounds), "one shop": lambda: full_purse(600)}.items():
            forget_verified()  # the same keys pay the same payments each way
            rows.append((way, play()))
        bare = signature_seconds()
        sys.stdout.write(f"a bare ES256 signature: {bare * 1e6:.0f} us\n")
        for way, times in rows:
            for what, seconds in times.items():
                median = statistics.median(seconds)
                told = f"{median * 1e6:.0f} us, quickest {min(seconds) * 1e6:.0f}, {median / bare:.2f} signatures"
                sys.stdout.write(f"{way}: {what}: {told}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
