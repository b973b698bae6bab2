"""Many simulated secure elements behind one byte channel: an address is an element, a journal and a session.

A `Drawer` opens elements by address, each from a journal of its own, and makes a new one where there was none. An
`ElementServer` takes frames and gives frames, in this process or from the pipe of another one. Nothing that arrives as
bytes can open an element for an attack: the drawer of an attack study is another class, made by hand or by the flag of
`offline.element_process`, and the calls it adds do not exist without it.

Source: DTO/1, sections 5.7 and 5.19.12.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cbdc.errors import Malformed
from cbdc.keys import ES256
from cbdc.ports import Entropy
from cbdc.record import Record, Signed
from offline.element import SimulatedSecureElement
from offline.element_applet import Applet, Extra
from offline.element_frames import Frame, FrameReader
from offline.element_protocol import SecureElement
from offline.element_wire import B, Call, Form, U
from offline.journal import Journal
from offline.opened import Captured, OpenedElement
from offline.records import Enrol, Invoice, Receipt, SyncRequest, Transfer

MOST_ELEMENTS = 65_536
_NO_ROOM = b"\x6a\x84"


def element_name(address: int) -> str:
    """The name of an element's journal, from its address."""
    return f"element-{address:08x}"


class Drawer:
    """Opens simulated elements by address, each from its own journal; `deep_checks` as in `ElementCore`."""

    def __init__(
        self,
        journal: Callable[[str], Journal],
        entropy: Entropy,
        algorithm: int = ES256,
        deep_checks: bool = False,
    ) -> None:
        self._journal = journal
        self._entropy = entropy
        self._algorithm = algorithm
        self._deep_checks = deep_checks

    def open(self, address: int) -> SecureElement:
        """The element with this address; raises E_JOURNAL and E_JOURNAL_IO."""
        journal = self._journal(element_name(address))
        return SimulatedSecureElement(
            journal, self._entropy, _id(address), self._algorithm, deep_checks=self._deep_checks
        )

    def extra(self, element: SecureElement) -> Extra:
        """Calls beyond the protocol: none."""
        return {}


class OpenedDrawer(Drawer):
    """A drawer of **opened** elements, for attack studies; every element in it is marked for ever."""

    def __init__(
        self,
        reason: str,
        journal: Callable[[str], Journal],
        entropy: Entropy,
        algorithm: int = ES256,
        deep_checks: bool = False,
    ) -> None:
        super().__init__(journal, entropy, algorithm, deep_checks)
        self._reason = reason
        self._captured: list[Captured] = []

    def open(self, address: int) -> SecureElement:
        """The element with this address, opened; raises E_JOURNAL and E_JOURNAL_IO."""
        journal = self._journal(element_name(address))
        return OpenedElement(
            journal, self._entropy, _id(address), self._algorithm, self._reason, self._deep_checks
        )

    def extra(self, element: SecureElement) -> Extra:
        """The tools of `offline.opened` as calls: clone, capture, rollback, and signing whatever is asked."""
        assert isinstance(element, OpenedElement), "an opened drawer holds opened elements"

        def clone(address: int) -> None:
            self._journal(element_name(address)).compact(element.snapshot())

        def capture() -> int:
            self._captured.append(element.capture())
            return len(self._captured) - 1

        def rollback(number: int) -> None:
            if number >= len(self._captured):
                raise Malformed("E_FIELD", field="number", problem="nothing was captured under it")
            element.rollback(self._captured[number])

        def sign_anything(kind: int, body: bytes) -> Signed[Any]:
            if kind not in SIGNABLE:
                raise Malformed("E_OBJTYPE", type=kind, expected=Transfer.TYPE)
            return element.sign_anything(SIGNABLE[kind].from_body(body))

        tools: tuple[Callable[..., Any], ...] = (clone, capture, rollback, sign_anything)
        return {call.number: (call, tool) for call, tool in zip(ATTACKS, tools, strict=True)}


_SIGNED_BY_ELEMENTS: tuple[type[Record], ...] = (Transfer, Invoice, Receipt, SyncRequest, Enrol)
SIGNABLE: Mapping[int, type[Record]] = {cls.TYPE: cls for cls in _SIGNED_BY_ELEMENTS}


class _Loose:
    """A signed object of whatever type, as `[type, body, signature]`."""

    words = "[type, body, signature]"

    def write(self, value: Signed[Any]) -> object:
        return value.envelope()

    def read(self, value: object, network: bytes) -> object:
        return value


_SIGNED: Form = _Loose()
ATTACKS = (
    Call(0xE0, "clone", (("address", U),)),
    Call(0xE2, "capture", answer=U),
    Call(0xE4, "rollback", (("number", U),)),
    Call(0xE6, "sign_anything", (("type", U), ("body", B)), _SIGNED, limit_bytes=1 << 17),
)


def _id(address: int) -> bytes:
    return address.to_bytes(8, "big")


class ElementServer:
    """Frames in, frames out: each address has a session of its own, and an element of the drawer behind it."""

    def __init__(self, drawer: Drawer, most: int = MOST_ELEMENTS) -> None:
        """`most` bounds how many addresses may be spoken to; one more is told that there is no room (6A84)."""
        self._drawer = drawer
        self._most = most
        self._applets: dict[int, Applet] = {}
        self._reader = FrameReader()

    def take(self, data: bytes) -> bytes:
        """The response frames to whatever command frames these bytes complete."""
        return b"".join(self._answer(frame).encode() for frame in self._reader.take(data))

    def _answer(self, frame: Frame) -> Frame:
        applet = self._applets.get(frame.address)
        if applet is None:
            if len(self._applets) >= self._most:
                return frame._replace(data=_NO_ROOM)
            address = frame.address
            applet = Applet(lambda: self._drawer.open(address), self._drawer.extra)
            self._applets[address] = applet
        return frame._replace(data=applet.process(frame.data))
