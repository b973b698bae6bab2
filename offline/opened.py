"""The loud switch: a simulated element that has been **opened**, for attacks in a sandbox and for nothing else.

Real secure elements have been broken, so the protocol is made for a world in which some are: a double spend must be
seen, proven and priced. To show that, tests and pilots need a thief's tools. They are here, they are reached only
through `open_for_attack`, that refuses unless the element was made with `attacks_allowed=True`, and an opened element
says OPENED in its status for as long as it lives.

    opened = open_for_attack(element, "show what a clone can do")
    twin = opened.clone()                   two elements with one key and one state
    before = opened.capture()
    ...spend...
    opened.rollback(before)                 and spend again
    opened.sign_anything(transfer)          a well-formed object that breaks every rule

An opened element keeps its state in memory, and the original stays as it was.

Source: DTO/1, sections 4 (A4, A5), 5.10 and 7.5 (S2, S3).
"""

from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.record import R, Signed, sign
from offline.element import SimulatedSecureElement
from offline.element_state import ElementState, changes
from offline.journal import MemoryJournal


@dataclass(frozen=True, slots=True)
class Captured:
    """The whole state of an opened element at one moment; holds its key, so it is not for keeping."""

    state: ElementState

    def __repr__(self) -> str:
        return f"Captured(counter={self.state.counter})"


class OpenedElement(SimulatedSecureElement):
    """An element whose owner has taken it apart. Made only by `open_for_attack`."""

    KIND = "OPENED simulated secure element: its key and its state are in an attacker's hands"
    OPENED = True

    reason = ""

    @classmethod
    def of(cls, element: SimulatedSecureElement, reason: str) -> "OpenedElement":
        """An opened copy of `element`; E_ATTACKS_OFF unless it was made for this."""
        if not element.attacks_allowed:
            raise Refused("E_ATTACKS_OFF")
        journal = MemoryJournal([changes(ElementState(), element._state)])
        opened = cls(journal, element._entropy, b"", attacks_allowed=True)
        opened.reason = reason
        return opened

    def capture(self) -> Captured:
        """The state now, to be put back later."""
        return Captured(self._state)

    def snapshot(self) -> bytes:
        """The whole state as one journal record: append it to an empty journal, and that is a clone on the disk."""
        return changes(ElementState(), self._state)

    def rollback(self, captured: Captured) -> None:
        """Put an earlier state back, as no honest element can (I1, I10)."""
        self._restore(captured.state)

    def clone(self) -> "OpenedElement":
        """A second element with the same key and the same state."""
        return OpenedElement.of(self, self.reason)

    def sign_anything(self, record: R) -> Signed[R]:
        """This record, signed with the element's key, whatever it says (against I6)."""
        return sign(record, self.trust_view.network, self._key)

    def _restore(self, state: ElementState) -> None:
        self._journal = MemoryJournal([changes(ElementState(), state)])
        self._state = state
        self._broken = False
        self._open_papers()


def open_for_attack(element: SimulatedSecureElement, reason: str) -> OpenedElement:
    """An opened copy of `element`, in memory, for the `reason` that a person gives; E_ATTACKS_OFF unless allowed."""
    return OpenedElement.of(element, reason)
