"""The machine of random calls again, with each element behind a byte channel that fails at any command (S23).

Everything of `test_device_machine` holds, and more may go wrong: commands and answers are lost, damaged, doubled or
come late, and the element dies alone while its host lives on. The host gets Unavailable, does nothing but `recover`,
and the auditor still finds each tiyn where it must be.

    TENGE_STEPS=2000 pytest tests/offline/test_element_machine.py        a long run
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from cbdc.errors import TengeError, Unavailable
from cbdc.ports import SeededEntropy
from cbdc.token import MERCHANT
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.element_client import LocalChannel, RemoteElement
from offline.element_protocol import SecureElement
from offline.element_server import Drawer, ElementServer
from offline.host_store import MemoryHostStore
from offline.journal import MemoryJournal
from tests.offline.bench import Bench, Crash, CrashAt
from tests.offline.test_device_machine import NAMES, STEPS, Devices

FAULTS = (
    "command lost",
    "command damaged",
    "command twice",
    "answer lost",
    "answer late",
    "dies before",
    "dies after",
)


class Frail(LocalChannel):
    """An element's process that can fail at its n-th frame while `armed`; a crash of the element kills it alone."""

    def __init__(self, drawer: Drawer) -> None:
        super().__init__(ElementServer(drawer))
        self._drawer = drawer
        self.armed = False
        self.fault = ""
        self.left = 0
        self._late = b""

    def die(self) -> None:
        self._server = ElementServer(self._drawer)
        self.session += 1

    def carry(self, frame: bytes) -> bytes:
        fault = ""
        if self.armed and self.fault:
            self.left -= 1
            if self.left <= 0:
                fault, self.fault = self.fault, ""
        try:
            answers, self._late = self._late + self._carry(frame, fault), b""
        except Crash:
            self.die()
            raise Unavailable("E_ELEMENT_GONE", exit_code=-9) from None
        if fault == "answer late":
            self._late = answers
            return b""
        return b"" if fault == "answer lost" else answers

    def _carry(self, frame: bytes, fault: str) -> bytes:
        if fault == "command lost":
            return b""
        if fault == "command damaged":
            return super().carry(frame[:20] + bytes([frame[20] ^ 0x10]) + frame[21:])
        if fault == "command twice":
            return super().carry(frame + frame)
        if fault == "dies before":
            raise Crash(fault)
        answers = super().carry(frame)
        if fault == "dies after":
            raise Crash(fault)
        return answers


class Allowed(Drawer):
    """A drawer whose first element may be opened for the machine's thief."""

    def open(self, address: int) -> SecureElement:
        journal = self._journal(str(address))
        name = address.to_bytes(8, "big")
        return SimulatedSecureElement(
            journal, self._entropy, name, attacks_allowed=address == 0, deep_checks=True
        )


class Channelled(Devices):
    """Three devices whose elements live behind frail channels."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: dict[str, Frail] = {}
        self.journals: dict[str, MemoryJournal] = {}

    def make(self, name: str) -> Device:
        drawer = Allowed(lambda address: self.journals.setdefault(address, self._journal()), SeededEntropy(7))
        self.channels[name] = Frail(drawer)
        element = RemoteElement(self.channels[name], NAMES.index(name))
        raw, category = element.public_key.raw, MERCHANT if name == "shop" else 1
        made = self.bench.world.make_device(name, algorithm=2, public_key=raw, category=category)
        element.provision(self.bench.world.trust, made.certificate)
        self.bench.stores[name] = MemoryHostStore()
        return Device(element, self.bench.stores[name])

    def _journal(self) -> MemoryJournal:
        return MemoryJournal(checkpoint=self.crash)

    def reopen(self, name: str) -> Device:
        self.channels[name].die()
        device = Device(RemoteElement(self.channels[name], NAMES.index(name)), self.bench.stores[name])
        device.recover(self.bench.now)
        return device

    def inside(self, name: str) -> SimulatedSecureElement:
        self.devices[name].status(self.bench.now)
        element = self.channels[name]._server._applets[NAMES.index(name)]._element
        assert isinstance(element, SimulatedSecureElement)
        return element

    def attempt(self, name: str, call: Any) -> Any:
        device, channel = self.devices[name], self.channels[name]
        status = device.status(self.bench.now)
        channel.armed = True
        try:
            return call(device)
        except Unavailable:
            channel.armed = False
            self.crash.number = 0
            device.recover(self.bench.now)
            self.learn(name)
        except TengeError:
            channel.armed = False
            assert device.status(self.bench.now) == status, "a refusal changed the state"
        finally:
            channel.armed = False
        return None

    @rule(name=st.sampled_from(NAMES), fault=st.sampled_from(FAULTS), number=st.integers(1, 12))
    def channel_will_fail(self, name: str, fault: str, number: int) -> None:
        self.channels[name].fault, self.channels[name].left = fault, number


class TestS23(Channelled.TestCase):  # type: ignore[misc,name-defined]
    """S23 through the byte channel."""


TestS23.settings = settings(
    max_examples=max(12, STEPS // 20),
    stateful_step_count=60 if STEPS else 30,
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
TestS23 = pytest.mark.slow(TestS23)  # type: ignore[misc]


@pytest.mark.parametrize("fault", FAULTS)
def test_s23_each_fault_is_one_the_machine_can_meet(fault: str) -> None:
    bench = Bench("frail")
    channel = Frail(Drawer(lambda name: journal, SeededEntropy(7)))
    journal = MemoryJournal(checkpoint=CrashAt())
    element = RemoteElement(channel, 1)
    made = bench.world.make_device("a", algorithm=2, public_key=element.public_key.raw)
    element.provision(bench.world.trust, made.certificate)
    channel.armed, channel.fault, channel.left = True, fault, 1
    if fault == "command twice":
        first = element.sync_begin(b"s")
    else:
        with pytest.raises(Unavailable, match=r"E_ELEMENT_(SILENT|GONE)"):
            element.sync_begin(b"s")
        first = element.sync_begin(b"s")
    assert channel.fault == ""
    assert first.record.sync_number == 1
    assert element.status(bench.now).sync_number == 1
