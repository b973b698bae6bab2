"""Devices under every call in any order, with faults and a thief: I1 to I11, and a second opinion on value (S23).

A rule machine lets three devices load, ask, pay, receive, repeat, redeem and sync, in any order, with repeated and
delayed messages, forged ones, power cuts at any write, and an opened copy of one device that spends what it has spent.
Beside it stands `Model`, an auditor that knows nothing of elements: it sees notes and signed transfers only, keeps the
set of unspent outpoints, and says at each moment what each honest device must hold.

    TENGE_STEPS=2000 pytest tests/offline/test_device_machine.py        a long run
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import MERCHANT
from offline.bundle import open_bundle
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.element_protocol import ElementStatus
from offline.element_state import check_whole
from offline.host_store import MemoryHostStore
from offline.journal import MemoryJournal
from offline.opened import OpenedElement, open_for_attack
from offline.records import PAY, Invoice, Outpoint, SignedTransfer
from tests.offline.bench import DAY, Bench, Crash, CrashAt

STEPS = int(os.environ.get("TENGE_STEPS", "0"))
NAMES = ("ayan", "dana", "shop")
WHO = st.sampled_from(NAMES)
AMOUNTS = st.sampled_from([1, tenge(1), tenge(100), tenge(250), tenge(400), tenge(1_000), tenge(9_000)])


class Model:
    """Who owns which outpoint, from notes and transfers alone; a second spend of one outpoint is kept as a cheat."""

    def __init__(self) -> None:
        self.outputs: dict[Outpoint, tuple[bytes, int]] = {}
        self.spends: dict[Outpoint, set[bytes]] = {}
        self.signed: dict[bytes, SignedTransfer] = {}
        self.accepted: set[bytes] = set()
        self.loaded_tiyn = 0
        self.home_tiyn = 0

    def note(self, oid: bytes, owner: bytes, amount_tiyn: int) -> None:
        self.outputs[Outpoint(oid, 0)] = (owner, amount_tiyn)
        self.loaded_tiyn += amount_tiyn

    def transfer(self, transfer: SignedTransfer) -> None:
        """A signed transfer exists somewhere in the world."""
        if transfer.oid in self.signed:
            return
        self.signed[transfer.oid] = transfer
        record = transfer.record
        owner, amount_tiyn = self.outputs[record.outpoint]
        assert owner == record.payer, "somebody else's money was spent"
        assert amount_tiyn == sum(output.amount_tiyn for output in record.outputs), (
            "I5: money was made or lost"
        )
        self.spends.setdefault(record.outpoint, set()).add(transfer.oid)
        for position, output in enumerate(record.outputs):
            if record.kind == PAY or position == 1:
                self.outputs[Outpoint(transfer.oid, position)] = (output.owner, output.amount_tiyn)
            else:
                self.home_tiyn += output.amount_tiyn

    def holdings(self, kid: bytes) -> dict[Outpoint, int]:
        """What a device that is honest must hold: its unspent outputs; of payments only those it accepted."""
        return {
            outpoint: amount_tiyn
            for outpoint, (owner, amount_tiyn) in self.outputs.items()
            if owner == kid
            and outpoint not in self.spends
            and (
                outpoint.position == 1
                or outpoint.previous not in self.signed
                or outpoint.previous in self.accepted
            )
        }

    def made_up_tiyn(self) -> int:
        """What cheats have made: for each outpoint, its amount once for every spend beyond the first."""
        return sum((len(oids) - 1) * self.outputs[outpoint][1] for outpoint, oids in self.spends.items())


class Devices(RuleBasedStateMachine):
    """S23: three devices, one of which a thief may have copied; every rule also judges by the model."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench("machine")
        self.crash = CrashAt()
        self.model = Model()
        self.devices: dict[str, Device] = {}
        self.invoices: list[tuple[str, Signed[Invoice]]] = []
        self.payments: list[tuple[Signed[Invoice], str, bytes]] = []
        self.orders: list[tuple[str, Any]] = []
        self.before: dict[str, ElementStatus] = {}
        self.thief: Device | None = None
        self.trust_sequence = 1

    @initialize()
    def people(self) -> None:
        for name in NAMES:
            self.devices[name] = self.make(name)
            self.load(name, tenge(1_000))

    # --- where the elements live; another machine puts them elsewhere ---

    def make(self, name: str) -> Device:
        """A new device."""
        return self.bench.device(
            name,
            journal=MemoryJournal(checkpoint=self.crash),
            category=MERCHANT if name == "shop" else 1,
            attacks_allowed=name == "ayan",
        )

    def reopen(self, name: str) -> Device:
        """The device after a restart of its host and its element."""
        return self.bench.restart(name, attacks_allowed=name == "ayan")

    def inside(self, name: str) -> SimulatedSecureElement:
        """The simulated element of a device."""
        element = self.devices[name].element
        assert isinstance(element, SimulatedSecureElement)
        return element

    # --- helpers ---

    def attempt(self, name: str, call: Any) -> Any:
        """Run a call on a device; a refusal must change nothing, a crash restarts the device. The answer or None."""
        device = self.devices[name]
        status = device.status(self.bench.now)
        try:
            return call(device)
        except TengeError:
            after = device.status(self.bench.now)
            assert after == status, "a refusal changed the state"
        except Crash:
            self.crash.number = 0
            self.devices[name] = self.reopen(name)
            self.learn(name)
        return None

    def learn(self, name: str) -> None:
        """The auditor reads what the device has signed, wherever it is kept."""
        element = self.devices[name].element
        for reference in element.status(self.bench.now).outbox:
            for transfer in element.resend(reference):
                self.model.transfer(transfer)
        self.accepted_by(name)

    def accepted_by(self, name: str) -> None:
        """A receipt for an invoice says which transfers were accepted: those that its payment root names."""
        element = self.devices[name].element
        for invoice, payee, payment in self.payments:
            if payee == name and element.receipt(invoice.oid) is not None:
                for transfer in self.last_transfers(payment):
                    if Outpoint(transfer.oid, 0) in element.status(self.bench.now).purse:
                        self.model.accepted.add(transfer.oid)

    def last_transfers(self, payment: bytes) -> list[SignedTransfer]:
        bundle = open_bundle(payment, self.bench.world.network, len(payment))
        return [token.transfers[-1] for token in bundle.tokens]

    # --- rules ---

    @rule(name=WHO, amount=AMOUNTS)
    def load(self, name: str, amount: int) -> None:
        note = self.bench.note(self.devices[name].kid, amount)
        self.attempt(name, lambda device: device.load(note, self.bench.now))
        device = self.devices[name]
        if Outpoint(note.oid, 0) in device.status(self.bench.now).purse:
            self.model.note(note.oid, device.kid, amount)

    @rule(name=WHO, amount=AMOUNTS)
    def ask(self, name: str, amount: int) -> None:
        id = self.bench.next_id()
        invoice = self.attempt(name, lambda device: device.invoice(id, amount, 0, self.bench.now))
        if invoice is not None:
            assert self.attempt(name, lambda device: device.invoice(id, amount, 0, self.bench.now + 5)) in (
                invoice,
                None,
            )
            self.invoices.append((name, invoice))

    @rule(payer=WHO, payee=WHO, amount=AMOUNTS, arrives=st.booleans())
    def exchange(self, payer: str, payee: str, amount: int, arrives: bool) -> None:
        """One whole payment, or one whose message is lost for now."""
        asked = len(self.invoices)
        self.ask(payee, amount)
        made = len(self.payments)
        if len(self.invoices) > asked:
            self.pay_invoice(payer, *self.invoices[-1])
        if arrives and len(self.payments) > made:
            self.receive_payment(*self.payments[-1])

    @rule(amount=AMOUNTS, people=st.permutations(NAMES))
    def around(self, amount: int, people: list[str]) -> None:
        """Money goes round: each pays the next."""
        for payer, payee in zip(people, people[1:] + people[:1], strict=True):
            self.exchange(payer, payee, amount, arrives=True)

    @precondition(lambda self: self.invoices)
    @rule(name=WHO, data=st.data())
    def pay(self, name: str, data: st.DataObject) -> None:
        self.pay_invoice(name, *data.draw(st.sampled_from(self.invoices[-4:])))

    def pay_invoice(self, name: str, payee: str, invoice: Signed[Invoice]) -> None:
        certificate = self.devices[payee].certificate
        payment = self.attempt(name, lambda device: device.pay(invoice, certificate, self.bench.now))
        self.learn(name)
        if payment is not None:
            for transfer in self.last_transfers(payment):
                self.model.transfer(transfer)
            self.payments.append((invoice, payee, payment))
            assert self.attempt(name, lambda device: device.pay(invoice, certificate, self.bench.now)) in (
                payment,
                None,
            )

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), now=st.booleans())
    def receive(self, data: st.DataObject, now: bool) -> None:
        recent = self.payments[-1:] if now else self.payments
        self.receive_payment(*data.draw(st.sampled_from(recent)))

    def receive_payment(self, invoice: Signed[Invoice], payee: str, payment: bytes) -> None:
        receipt = self.attempt(payee, lambda device: device.receive(payment, invoice, self.bench.now))
        if receipt is not None:
            assert receipt.record.invoice == invoice.oid
            again = self.attempt(payee, lambda device: device.receive(payment, invoice, self.bench.now))
            assert again in (receipt, None)
        self.accepted_by(payee)

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), name=WHO)
    def damage(self, data: st.DataObject, name: str) -> None:
        invoice, _, payment = data.draw(st.sampled_from(self.payments))
        place = data.draw(st.integers(0, len(payment) - 1))
        damaged = payment[:place] + bytes([payment[place] ^ 1]) + payment[place + 1 :]
        device = self.devices[name]
        before = device.status(self.bench.now)
        try:
            given = device.receive(damaged, invoice, self.bench.now)
        except TengeError:
            given = None
        assert given == (device.receipt_given(invoice.oid) if given is not None else None)
        assert device.status(self.bench.now) == before, "damaged bytes moved value"

    @rule(name=WHO, amount=st.sampled_from([tenge(50), tenge(120), tenge(120), None]))
    def redeem(self, name: str, amount: int | None) -> None:
        order = self.bench.order(self.devices[name].kid, expires=self.bench.now + 600)
        self.attempt(name, lambda device: device.redeem(order, self.bench.now, amount))
        self.learn(name)

    @rule(name=WHO, complete=st.booleans(), lost=st.booleans())
    def sync(self, name: str, complete: bool, lost: bool) -> None:
        batches = self.attempt(name, lambda device: device.sync(self.bench.next_id(), self.bench.now))
        if batches is None or lost:
            return
        request = batches[-1].sync_request
        base = self.devices[name].status(self.bench.now).base
        kept: dict[str, Any] = {
            "base_out_tiyn": base.out_tiyn,
            "base_in_tiyn": base.in_tiyn,
            "base_out_count": base.out_count,
            "base_in_count": base.in_count,
        }
        ack = self.bench.ack(request, **({} if complete else kept))
        self.attempt(name, lambda device: device.sync_commit(ack, self.bench.now))
        self.attempt(name, lambda device: device.sync_commit(ack, self.bench.now))

    @rule(name=WHO)
    def restart(self, name: str) -> None:
        self.devices[name] = self.reopen(name)

    @rule(number=st.integers(1, 24))
    def power_will_fail(self, number: int) -> None:
        self.crash.count, self.crash.number = 0, number

    @rule(name=WHO, hours=st.sampled_from([1, 24]))
    def time_passes(self, name: str, hours: int) -> None:
        """Some hours later one of them hears of a newer trust list."""
        if self.bench.now < self.bench.world.trust.issued + 10 * DAY:
            self.bench.now += hours * 3_600
        self.trust_sequence += 1
        trust = self.bench.world.make_trust(self.trust_sequence, issued=self.bench.now)
        self.attempt(name, lambda device: device.trust([trust]))

    @rule()
    def steal(self) -> None:
        """A thief opens a copy of Ayan's device as it is now."""
        element = self.inside("ayan")
        store = MemoryHostStore()
        store.write(element.kid, dict(self.bench.stores["ayan"].read(element.kid)))
        opened = open_for_attack(element, "the machine's thief")
        self.thief = Device(opened, store)

    @precondition(lambda self: self.thief is not None and self.invoices)
    @rule(data=st.data())
    def cheat(self, data: st.DataObject) -> None:
        """The thief pays with what the original may have spent; each payee judges for itself."""
        assert self.thief is not None
        self.ask("shop", tenge(250))
        payee, invoice = data.draw(st.sampled_from(self.invoices[-3:]))
        if payee == "ayan":
            return
        try:
            payment = self.thief.pay(invoice, self.devices[payee].certificate, self.bench.now)
        except TengeError:
            return
        for transfer in self.last_transfers(payment):
            self.model.transfer(transfer)
        self.payments.append((invoice, payee, payment))

    # --- what must hold ---

    @invariant()
    def counters_never_fall(self) -> None:
        for name, device in self.devices.items():
            status = device.status(self.bench.now)
            last = self.before.get(name)
            if last is not None:
                rising = ("counter", "time_floor", "trust_sequence", "sync_time", "sync_number")
                for what in (*rising, "invoice_number", "load_number", "min_trust_sequence"):
                    assert getattr(status, what) >= getattr(last, what), f"I1: {what}"
                assert status.totals.covers(last.totals)
                assert status.base.covers(last.base)
            self.before[name] = status

    @invariant()
    def states_are_whole(self) -> None:
        for name in self.devices:
            check_whole(self.inside(name)._state)

    @invariant()
    def honest_devices_hold_what_the_model_says(self) -> None:
        for name, device in self.devices.items():
            if name == "ayan" and self.thief is not None:
                continue  # the model sees one key, and two hands that use it
            purse = device.status(self.bench.now).purse
            held = {outpoint: slot.amount_tiyn for outpoint, slot in purse.items()}
            assert held == self.model.holdings(device.kid), name
            assert all(device.line(outpoint) for outpoint in held), "money without its history"

    @invariant()
    def no_value_is_made_but_by_the_thief(self) -> None:
        made_up = self.model.made_up_tiyn()
        unspent = sum(
            amount
            for outpoint, (_, amount) in self.model.outputs.items()
            if outpoint not in self.model.spends
        )
        assert self.model.loaded_tiyn + made_up == unspent + self.model.home_tiyn
        if self.thief is None:
            assert made_up == 0
        honest = [device for name, device in self.devices.items() if name != "ayan"]
        kids = {device.kid for device in honest}
        cheats = {
            self.model.signed[oid].record.payer
            for oids in self.model.spends.values()
            if len(oids) > 1
            for oid in oids
        }
        assert not cheats & kids, "I3: an honest device spent twice"

    @invariant()
    def the_thief_is_open_about_it(self) -> None:
        if self.thief is not None:
            assert isinstance(self.thief.element, OpenedElement)
            assert self.thief.status(self.bench.now).opened

    def teardown(self) -> None:
        self.crash.number = 0


TestDevices = Devices.TestCase
TestDevices.settings = settings(
    max_examples=max(20, STEPS // 20),
    stateful_step_count=60 if STEPS else 40,
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
TestDevices = pytest.mark.slow(TestDevices)
