"""Random faulty runs: a few people of a town pay each other while everything fails that may fail.

A **run** is 2 to 6 people and 2 to 6 steps (payments in both flows, syncs, redemptions, lists, lost hosts, late
copies), with faults of every kind, and after it an audit of the whole town. Some thirty runs share one town, because a
town costs more than a run; what a run leaves on its way is found by the next, as in life. At the end of a town
everybody syncs, every note closes, and the accounts are compared with what the tapes say was owned.

    figures = play(seed=1, runs=1_000)          raises `Unsound` (or an assertion of the code) on the first fault

Faults (each is counted in `Figures`): a message lost, doubled, late, changed on the way, or handed to settlement by a
stranger; the power of a payer, a payee or settlement failing at a named write point; a host that lost its rows; a host
whose clock is wrong; a device that misses TRUST lists; an acknowledgement that never arrives; a batch handed in in
part.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cbdc.errors import TengeError
from cbdc.ports import SeededEntropy
from cbdc.record import Signed
from offline.batch import Batch
from offline.element_rules import offer_hash
from offline.records import Invoice
from tests.campaign.town import Town
from tests.offline.bench import Crash

RUNS_PER_TOWN = 30
PEOPLE = 6
NOTES_TIYN = (40_000, 40_000, 20_000)
OFTEN_TIYN = (100, 250, 500, 1_000, 2_500)

Answer = TypeVar("Answer")


@dataclass
class Figures:
    """What a campaign of runs did. Amounts in tiyn."""

    runs: int = 0
    towns: int = 0
    payments: int = 0
    paid_tiyn: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    most_on_the_way_tiyn: int = 0
    claimed_tiyn: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "runs": self.runs,
            "towns": self.towns,
            "payments_accepted": self.payments,
            "paid_tiyn": self.paid_tiyn,
            "claimed_undelivered_tiyn": self.claimed_tiyn,
            "most_on_the_way_tiyn": self.most_on_the_way_tiyn,
            "steps": dict(sorted(self.steps.items())),
            "faults": dict(sorted(self.faults.items())),
            "refusals": dict(sorted(self.refusals.items())),
            "lost_tiyn": 0,
            "doubled_tiyn": 0,
        }


class Players:
    """The people of one town, who play run after run."""

    def __init__(self, seed: int, figures: Figures) -> None:
        self.chance = random.Random(seed)
        self.figures = figures
        self.town = Town(self.chance.randint(3, PEOPLE), NOTES_TIYN)
        self.town.entropy = SeededEntropy(seed)
        self.copies: list[tuple[bytes, Signed[Invoice], str]] = []
        self.skew: dict[str, int] = {}
        self.people: list[str] = []
        figures.towns += 1

    # --- one thing that may fail ---

    def now(self, name: str) -> int:
        return self.town.clock.now() + self.skew.get(name, 0)

    def happens(self, fault: str, permille: int) -> bool:
        """Whether this fault comes now; counted."""
        if self.chance.randrange(1_000) >= permille:
            return False
        self.figures.faults[fault] += 1
        return True

    def attempt(self, name: str, call: Callable[[], Answer], permille: int = 70) -> Answer | None:
        """One call to that device, whose power may fail on the way; None when it failed or refused."""
        if name in self.town.down and not self.raise_up(name):
            return None
        fuse = self.town.fuse(name)
        if self.chance.randrange(1_000) < permille:
            fuse.arm(self.chance.randint(1, 6))
        try:
            return call()
        except Crash as crash:
            self.figures.faults[f"power failed at {crash}"] += 1
            self.town.crash(name)
            return None
        except TengeError as refusal:
            self.figures.refusals[refusal.code] += 1
            return None
        finally:
            fuse.arm(0)

    def raise_up(self, name: str) -> bool:
        """Restart that device; it may fail again."""
        fuse = self.town.fuse(name)
        if self.chance.randrange(1_000) < 100:
            fuse.arm(self.chance.randint(1, 3))
        try:
            self.town.restore(name, self.now(name))
        except Crash as crash:
            self.figures.faults[f"power failed at {crash} (restart)"] += 1
            self.town.crash(name)
        finally:
            fuse.arm(0)
        return name not in self.town.down

    def settlement(self, call: Callable[[], Answer]) -> Answer | None:
        """One call to settlement, whose power may fail too."""
        if self.chance.randrange(1_000) < 8:
            self.town.centre_fuse.arm(self.chance.randint(1, 3))
        try:
            return call()
        except Crash as crash:
            self.figures.faults[f"power failed at {crash}"] += 1
            self.town.reopen_centre()
            return None
        except TengeError as refusal:
            self.figures.refusals[refusal.code] += 1
            return None
        finally:
            self.town.centre_fuse.arm(0)

    # --- the steps of a run ---

    def run(self) -> None:
        """One run."""
        self.people = self.chance.sample(self.town.names, self.chance.randint(2, len(self.town.names)))
        steps = {
            self.flow_q: 40,
            self.flow_i: 26,
            self.sync: 14,
            self.late_copy: 8,
            self.go_home: 4,
            self.lose_host: 1,
            self.publish: 1,
            self.time_passes: 5,
            self.turn_clock: 2,
        }
        self.town.clock.advance(self.chance.randint(60, 900))
        if self.chance.random() < 0.5:
            self.skew.clear()
        for step in self.chance.choices([*steps], [*steps.values()], k=self.chance.randint(2, 6)):
            self.figures.steps[step.__name__] += 1
            step()
        away_tiyn = self.town.audit()
        assert not self.town.centre.reconciler.guilty(), "an honest device was named guilty"
        self.figures.most_on_the_way_tiyn = max(self.figures.most_on_the_way_tiyn, away_tiyn)
        self.figures.runs += 1

    def pair(self) -> tuple[str, str]:
        payer, payee = self.chance.sample(self.people, 2)
        return payer, payee

    def invoice(self, payee: str, amount_tiyn: int, offer: bytes = b"") -> Signed[Invoice] | None:
        identity = self.town.next_id()
        for _ in range(2):
            made = self.attempt(
                payee,
                lambda: self.town.people[payee].invoice(identity, amount_tiyn, 0, self.now(payee), offer),
            )
            if made is not None:
                return made
        return None

    def flow_q(self) -> None:
        """A payment by one message each way."""
        payer, payee = self.pair()
        amount_tiyn = self.chance.choice(OFTEN_TIYN)
        invoice = self.invoice(payee, amount_tiyn)
        if invoice is None or self.happens("request lost", 30):
            return
        certificate = self.town.people[payee].certificate
        payment = self.attempt(
            payer, lambda: self.town.people[payer].pay(invoice, certificate, self.now(payer))
        )
        if payment is None and payer in self.town.down and self.chance.random() < 0.7:
            payment = self.attempt(payer, lambda: self.town.people[payer].resend(invoice.oid))
        if payment is not None:
            self.carry(payer, payee, invoice, payment)

    def flow_i(self) -> None:
        """A payment by offer, draft and commit."""
        payer, payee = self.pair()
        town, amount_tiyn = self.town, self.chance.choice(OFTEN_TIYN)
        offer = self.attempt(
            payer, lambda: town.people[payer].offer(amount_tiyn, 0, 8, 24_000, self.now(payer)), 20
        )
        if offer is None or self.happens("offer lost", 20):
            return
        seen = self.attempt(
            payee, lambda: town.people[payee].consider(offer, amount_tiyn, 0, self.now(payee)), 20
        )
        if seen is None:
            return
        invoice = self.invoice(payee, amount_tiyn, offer_hash(offer))
        if invoice is None or self.happens("request lost", 30):
            return
        certificate = town.people[payee].certificate
        paid = self.attempt(
            payer, lambda: town.people[payer].pay(invoice, certificate, self.now(payer), offer)
        )
        if paid is None:
            return
        if self.happens("message lost", 60):
            self.copies.append((paid, invoice, payee))
            return
        transfers = town.people[payer].transfers_for(invoice.oid)
        receipt = self.attempt(
            payee, lambda: town.people[payee].receive_commit(seen, transfers, invoice, self.now(payee))
        )
        self.after(payer, payee, invoice, paid, receipt)

    def carry(self, payer: str, payee: str, invoice: Signed[Invoice], payment: bytes) -> None:
        """The payment's way to its payee."""
        if self.happens("message lost", 80):
            self.copies.append((payment, invoice, payee))
            return
        if self.happens("message changed", 20):
            place = self.chance.randrange(len(payment))
            changed = (
                payment[:place]
                + bytes([payment[place] ^ 1 << self.chance.randrange(8)])
                + payment[place + 1 :]
            )
            self.attempt(payee, lambda: self.town.people[payee].receive(changed, invoice, self.now(payee)), 0)
        receipt = self.attempt(
            payee, lambda: self.town.people[payee].receive(payment, invoice, self.now(payee))
        )
        self.after(payer, payee, invoice, payment, receipt)

    def after(self, payer: str, payee: str, invoice: Signed[Invoice], payment: bytes, receipt: Any) -> None:
        """What may follow: again after a failure, a double, a receipt that is lost."""
        if receipt is None and self.chance.random() < 0.6:
            receipt = self.attempt(
                payee, lambda: self.town.people[payee].receive(payment, invoice, self.now(payee))
            )
        if receipt is not None:
            self.figures.payments += 1
            self.figures.paid_tiyn += invoice.record.amount_tiyn
            if self.happens("message doubled", 60):
                again = self.attempt(
                    payee, lambda: self.town.people[payee].receive(payment, invoice, self.now(payee))
                )
                assert again is None or again.oid == receipt.oid
            if not self.happens("receipt lost", 50):
                self.attempt(payer, lambda: self.town.people[payer].keep_receipt(receipt))
        if receipt is None or self.chance.random() < 0.3:
            self.copies.append((payment, invoice, payee))

    def late_copy(self) -> None:
        """Somebody still has a message, and brings it to its payee or to settlement."""
        if not self.copies:
            return
        payment, invoice, payee = self.copies[self.chance.randrange(len(self.copies))]
        if self.happens("handed in by a stranger", 300):
            digest = self.town.next_id()
            batch = Batch(digest, (payment,), (), None)
            self.settlement(lambda: self.town.centre.submit(batch.encode()))
            return
        self.figures.faults["message late"] += 1
        self.attempt(payee, lambda: self.town.people[payee].receive(payment, invoice, self.now(payee)))

    def sync(self, name: str = "") -> None:
        """A device's sync, which may end anywhere."""
        name = name or self.chance.choice(self.people)
        identity = self.town.next_id()
        batches = self.attempt(name, lambda: self.town.people[name].sync(identity, self.now(name)))
        if batches is None:
            return
        if self.happens("statement lost", 60):
            return
        if self.happens("batch handed in in part", 40):
            self.in_part(batches)
            return
        answer = self.settlement(lambda: self.town.answer(name, batches))
        if answer is None or self.happens("acknowledgement lost", 100):
            return
        self.attempt(name, lambda: self.town.people[name].sync_commit(answer, self.now(name)))
        if not self.happens("list missed", 150):
            lists = self.town.centre.trust(self.town.people[name].trust_view.sequence)
            if lists:
                self.attempt(name, lambda: self.town.people[name].trust(lists))

    def in_part(self, batches: list[Batch]) -> None:
        """Only the statement arrives, or only the lines."""
        last = batches[-1]
        assert last.sync_request is not None
        if self.chance.random() < 0.5:
            part = Batch(self.town.next_id(), (), last.objects[:1], last.sync_request)
            self.settlement(lambda: self.town.centre.sync(part.encode()))
        else:
            some = last.bundles[: self.chance.randint(0, len(last.bundles))]
            part = Batch(self.town.next_id(), some, last.objects, None)
            self.settlement(lambda: self.town.centre.submit(part.encode()))

    def go_home(self) -> None:
        """Somebody sends money home."""
        name = self.chance.choice(self.people)
        order = self.settlement(
            lambda: self.town.centre.redeem_order(self.town.next_id(), self.town.kids[name])
        )
        if order is not None:
            self.attempt(name, lambda: self.town.people[name].redeem(order, self.now(name), 1_000))

    def lose_host(self) -> None:
        """A host loses all its rows."""
        name = self.chance.choice(self.people)
        if name not in self.town.down:
            self.figures.faults["host data lost"] += 1
            self.town.wipe(name)
            if self.chance.random() < 0.7:
                self.town.supply(name, 20_000)

    def publish(self) -> None:
        """A new TRUST list; nobody hears of it before the next sync."""
        identity = self.town.next_id()
        self.settlement(lambda: self.town.centre.publish(identity))

    def time_passes(self) -> None:
        """Minutes or a day."""
        self.town.clock.advance(self.chance.choice((60, 700, 700, 1_300, 20_000)))

    def turn_clock(self) -> None:
        """A host's clock is wrong from now on, or right again."""
        name = self.chance.choice(self.people)
        self.figures.faults["clock wrong"] += 1
        self.skew[name] = self.chance.choice((0, -900, -4_000, 900, 4_000))


def play(seed: int, runs: int, tell: Callable[[Figures], None] = lambda figures: None) -> Figures:
    """`runs` runs from `seed`, in towns of thirty; raises on the first tiyn lost or doubled.

    `tell` hears the figures after each town. Town number n has the seed (seed, n), so a fault is found again with
    `play_town`.
    """
    figures = Figures()
    number = 0
    while figures.runs < runs:
        play_town(seed * 1_000_003 + number, min(RUNS_PER_TOWN, runs - figures.runs), figures)
        number += 1
        tell(figures)
    return figures


def play_town(seed: int, runs: int, figures: Figures) -> Players:
    """One town from its own seed; a failure names it."""
    players = Players(seed, figures)
    try:
        for _ in range(runs):
            players.run()
        players.town.finish()
    except Exception as failure:
        failure.add_note(f"town with the seed {seed}, after {players.figures.runs} runs in all")
        raise
    auditor = players.town.auditor
    figures.claimed_tiyn += sum(auditor.credited.values())
    return players
