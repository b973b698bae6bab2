"""A world that plays at random: honest devices, one opened one, lost messages and answers, restarts, passing time.

A model keeps what each honest person is worth: what was loaded, plus what was taken, less what was paid. Whatever
happened on the way, after the close every honest person has exactly that online (or more, where the thief's payment
was refused at the counter and credited at the centre all the same), nobody honest is guilty, and the escrow is empty.

By default it is quick. `TENGE_STEPS=10000 pytest tests/offline/test_reconcile_machine.py` takes that many steps.
"""

import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cbdc.errors import Refused
from cbdc.record import Signed
from offline.batch import make_batch
from offline.records import Invoice
from tests.cbdc.world import DAY
from tests.offline.desk import Desk

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("TENGE_STEPS", "0"))
HONEST = ("ayan", "bota", "dana")
THIEF = "kairat"
AMOUNTS = st.integers(1, 900)
PEOPLE = st.sampled_from(HONEST)


class OfflineWorld(RuleBasedStateMachine):
    """See the module's text."""

    @initialize()
    def open(self) -> None:
        """Everybody has a device and some money on it."""
        self.desk = Desk(reserve_tiyn=10_000_000)
        for name in (*HONEST, THIEF):
            self.desk.join(name)
        self.worth = dict.fromkeys(HONEST, 0)
        self.perhaps = dict.fromkeys(HONEST, 0)
        self.flying: list[tuple[str, bytes, Signed[Invoice]]] = []
        self.load("ayan", 900)
        self.load("bota", 500)
        self.desk.take_offline(THIEF, 700, 400)
        self.opened = self.desk.opened(THIEF)
        self.before = self.opened.capture()

    @property
    def now(self) -> int:
        """Everybody's clock."""
        return self.desk.clock.now()

    # --- honest life ---

    @rule(name=PEOPLE, amount=AMOUNTS)
    def load(self, name: str, amount: int) -> None:
        """Take more money offline; the notes may have to wait."""
        self.desk.take_offline(name, amount, receive=False)
        self.worth[name] += amount
        with suppress(Refused):
            self.desk.fetch(name)

    @rule(payer=PEOPLE, payee=PEOPLE, amount=AMOUNTS)
    def pay(self, payer: str, payee: str, amount: int) -> None:
        """Pay; the message is on its way."""
        try:
            invoice = self.desk.people[payee].invoice(self.desk.next_id(), amount, 0, self.now)
            data = self.desk.people[payer].pay(invoice, self.desk.people[payee].certificate, self.now)
        except Refused:
            return
        self.worth[payer] -= amount
        self.worth[payee] += amount
        self.flying.append((payee, data, invoice))

    @precondition(lambda self: self.flying)
    @rule(place=st.integers(0, 99))
    def deliver(self, place: int) -> None:
        """A message arrives, perhaps again, perhaps too late."""
        payee, data, invoice = self.flying[place % len(self.flying)]
        with suppress(Refused):
            self.desk.people[payee].receive(data, invoice, self.now)

    @rule(name=PEOPLE, amount=AMOUNTS)
    def send_home(self, name: str, amount: int) -> None:
        """Redeem a part."""
        with suppress(Refused):
            self.desk.send_home(name, amount)

    @rule(name=PEOPLE, lost=st.booleans())
    def sync(self, name: str, lost: bool) -> None:
        """Sync; the answer may be lost."""
        if not lost:
            self.desk.sync(name)
            return
        for batch in self.desk.people[name].sync(self.desk.next_id(), self.now):
            self.desk.centre.submit(batch.encode())
            if batch.sync_request is not None:
                self.desk.centre.sync(batch.encode())

    @rule(name=PEOPLE)
    def restart(self, name: str) -> None:
        """The power went."""
        self.desk.restart(name)

    @rule()
    def reopen(self) -> None:
        """The centre starts anew from its stores."""
        self.desk.centre = self.desk.open_centre()

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        """Time passes; a fresh list goes out."""
        self.desk.clock.advance(hours * 3_600)
        self.desk.centre.publish(self.desk.next_id())
        self.desk.centre.tick()

    # --- the thief ---

    @rule(payee=PEOPLE, amount=AMOUNTS, place=st.integers(0, 1), cheat=st.booleans())
    def steal(self, payee: str, amount: int, place: int, cheat: bool) -> None:
        """Pay out of the opened element, and perhaps put its state back."""
        device = self.desk.people[payee]
        held = self.opened.status(self.now).purse
        notes = sorted(one for one in held if one.position == 0 and held[one].length == 0)
        if not notes:
            return
        pick = notes[place % len(notes)]
        amount = min(amount, held[pick].amount_tiyn)
        before = self.opened.capture()
        try:
            invoice = device.invoice(self.desk.next_id(), amount, 0, self.now)
            data = self.desk.pay_opened(self.opened, device, invoice, [pick])
        except Refused:
            return
        try:
            device.receive(data, invoice, self.now)
            self.worth[payee] += amount
        except Refused:
            self.perhaps[payee] += amount
        if cheat:
            self.opened.rollback(before)

    @rule(cheat=st.booleans())
    def steal_home(self, cheat: bool) -> None:
        """Redeem out of the opened element, and perhaps put its state back."""
        before = self.opened.capture()
        picks = sorted(self.opened.status(self.now).purse)[:1]
        order = self.desk.centre.redeem_order(self.desk.next_id(), self.opened.public_key.kid)
        try:
            sent = self.opened.redeem(self.desk.next_id(), order, picks, 10, self.now)
        except Refused:
            return
        batch = make_batch(self.desk.next_id(), objects=[self.opened.certificate, *sent])
        self.desk.centre.submit(batch.encode())
        if cheat:
            self.opened.rollback(before)

    @rule()
    def lie(self) -> None:
        """State whatever the opened element states just now."""
        request = self.opened.sync_begin(self.desk.next_id())
        batch = make_batch(self.desk.next_id(), objects=[self.opened.certificate], sync_request=request)
        answer = self.desk.centre.sync(batch.encode())
        with suppress(Refused):
            self.opened.sync_commit(answer.sync)

    # --- what always holds ---

    @invariant()
    def the_books_agree(self) -> None:
        """Ledger, books and graph."""
        if hasattr(self, "desk"):
            self.desk.check()

    @invariant()
    def nobody_honest_is_guilty(self) -> None:
        """Whatever the thief and the links did."""
        if hasattr(self, "desk"):
            kids = {self.desk.people[name].kid for name in HONEST}
            assert kids.isdisjoint(self.desk.centre.reconciler.guilty())

    def teardown(self) -> None:
        """Everybody honest syncs, everything closes, and everyone has what they are worth."""
        if not hasattr(self, "desk"):
            return
        for name in HONEST:
            self.desk.sync(name)
        self.desk.clock.advance(200 * DAY)
        self.desk.centre.tick()
        self.desk.check()
        for name in HONEST:
            got = self.desk.wallet(name)
            assert self.worth[name] <= got <= self.worth[name] + self.perhaps[name], name
        assert self.desk.ledger.supply().escrow_tiyn == 0


OfflineWorld.TestCase.settings = settings(
    max_examples=max(15, STEPS // 25), stateful_step_count=25, deadline=None
)
TestOfflineWorld: Any = OfflineWorld.TestCase
