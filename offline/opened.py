"""The loud switch: a simulated element that has been **opened**, for attacks in a sandbox and for nothing else.

Real secure elements have been broken, so the protocol is made for a world in which some are: a double spend must be
seen, proven and priced. To show that, tests and pilots need a thief's tools. They are here, they are reached only
through `open_for_attack`, that refuses unless the element was made with `attacks_allowed=True`, or through the flag
`--open-for-attack` of an element's own process. No message, no TRUST list and no call of the protocol opens anything.

    opened = open_for_attack(element, "show what a clone can do")
    twin = opened.clone()                   two elements with one key and one state
    before = opened.capture()
    ...spend...
    opened.rollback(before)                 and spend again
    opened.sign_anything(transfer)          a well-formed object that breaks every rule

`open_for_attack` makes a copy in memory and leaves the original as it was. That it was opened, and why, is the first
thing the copy writes into its journal; whoever opens that journal later, in whatever way, finds an element whose status
says OPENED, and standard error says it once for each reason. The mark is never taken out again: a lock that was broken
is not whole because nobody looks at it.

Source: DTO/1, sections 4 (A4, A5), 5.10 and 7.5 (S2, S3).
"""

import sys
from dataclasses import dataclass, replace
from functools import lru_cache

from cbdc.errors import Malformed, Refused
from cbdc.keys import ES256
from cbdc.ports import Entropy
from cbdc.record import R, Signed, sign
from offline.element import SimulatedSecureElement
from offline.element_core import OPENED_KIND
from offline.element_state import OPENED_PAPER, ElementState, changes
from offline.journal import Journal, MemoryJournal

_REASON_BYTES = 255


@dataclass(frozen=True, slots=True)
class Captured:
    """The whole state of an opened element at one moment; holds its key, so it is not for keeping."""

    state: ElementState

    def __repr__(self) -> str:
        return f"Captured(counter={self.state.counter})"


class OpenedElement(SimulatedSecureElement):
    """An element whose owner has taken it apart. Made by `open_for_attack`, or on a journal that is a thief's."""

    KIND = OPENED_KIND
    OPENED = True

    def __init__(
        self,
        journal: Journal,
        entropy: Entropy,
        name: bytes,
        algorithm: int = ES256,
        reason: str = "",
        deep_checks: bool = False,
    ) -> None:
        """Open the element whose journal this is, and write into the journal that it was opened, and why."""
        super().__init__(journal, entropy, name, algorithm, attacks_allowed=True, deep_checks=deep_checks)
        if OPENED_PAPER not in self._state.papers:
            self._commit(marked(self._state, reason))
        _tell(self.reason)

    @property
    def reason(self) -> str:
        """Why it was opened, as its journal says."""
        text: bytes = self._state.papers[OPENED_PAPER][0]
        return text.decode()

    @classmethod
    def of(cls, element: SimulatedSecureElement, reason: str) -> "OpenedElement":
        """An opened copy of `element`; E_ATTACKS_OFF unless it was made for this."""
        if not element.attacks_allowed:
            raise Refused("E_ATTACKS_OFF")
        journal = MemoryJournal([changes(ElementState(), marked(element._state, reason))])
        return cls(journal, element._entropy, b"", reason=reason)

    def capture(self) -> Captured:
        """The state now, to be put back later."""
        return Captured(self._state)

    def snapshot(self) -> bytes:
        """The whole state as one journal record: append it to an empty journal, and that is a clone on the disk."""
        return changes(ElementState(), self._state)

    def rollback(self, captured: Captured) -> None:
        """Put an earlier state back, as no honest element can (I1, I10)."""
        self._journal.compact(changes(ElementState(), captured.state))
        self._state = captured.state
        self._broken = False
        self._open_papers()

    def clone(self) -> "OpenedElement":
        """A second element with the same key and the same state."""
        return OpenedElement.of(self, self.reason)

    def sign_anything(self, record: R) -> Signed[R]:
        """This record, signed with the element's key, whatever it says (against I6)."""
        return sign(record, self.trust_view.network, self._key)


def marked(state: ElementState, reason: str) -> ElementState:
    """The state with the mark that it was opened, and why; a mark that is there stays. E_FIELD for an unfit reason."""
    if OPENED_PAPER in state.papers:
        return state
    text = reason.encode()
    if not 1 <= len(text) <= _REASON_BYTES:
        raise Malformed("E_FIELD", field="reason", problem=f"not 1 to {_REASON_BYTES} bytes long")
    return replace(state, papers={**state.papers, OPENED_PAPER: (text,)})


@lru_cache(maxsize=64)
def _tell(reason: str) -> None:
    # Once for each reason: a study with a thousand opened devices says one thing.
    sys.stderr.write(f"{OPENED_KIND} ({reason})\n")


def open_for_attack(element: SimulatedSecureElement, reason: str) -> OpenedElement:
    """An opened copy of `element`, in memory, for the `reason` that a person gives; E_ATTACKS_OFF unless allowed."""
    return OpenedElement.of(element, reason)
