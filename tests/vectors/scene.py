"""One world of people with devices of one algorithm: the stage of the vectors of transfers and payments."""

from collections.abc import Sequence
from typing import Any

from cbdc.money import tenge
from cbdc.record import Signed
from offline.bundle import HeldToken
from offline.records import DeviceCertificate, Note, Transfer
from tests.offline.world import Device, World
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES

Token = tuple[Signed[Note], Sequence[Signed[Transfer]]] | HeldToken


class Scene:
    """One world whose devices all have one algorithm: A, B, C, D, a note of A's, and the cases made so far."""

    def __init__(self, family: str, algorithm: int) -> None:
        self.algorithm = algorithm
        self.suffix = NAMES[algorithm]
        self.world = World(f"{family} {self.suffix}")
        self.cases: list[Case] = []
        self.a, self.b, self.c, self.d = (self.device(name) for name in "ABCD")
        self.note = self.world.make_note(self.a.kid, tenge(5_000))
        # A pays B 4,000 (change 1,000), B pays C 3,000, C pays D 2,000: the ordinary line.
        self.first = self.step(self.a, self.note, self.b, 4_000)
        self.second = self.step(self.b, self.first, self.c, 3_000)
        self.third = self.step(self.c, self.second, self.d, 2_000)
        self.line = [self.first, self.second, self.third]
        self.people = [self.a, self.b, self.c, self.d]

    def device(self, name: str, **fields: Any) -> Device:
        """A device of this scene's algorithm."""
        return self.world.make_device(name, self.algorithm, **fields)

    def step(
        self,
        payer: Device,
        parent: Signed[Any],
        payee: Device,
        whole: int,
        note: Signed[Note] | None = None,
        **fields: Any,
    ) -> Signed[Transfer]:
        """A transfer of so many tenge on the line of `note` (of the scene's note when not given)."""
        return self.world.make_transfer(
            payer.key, parent, note or self.note, payee.kid, tenge(whole), **fields
        )

    def offer(
        self,
        id: str,
        what: str,
        people: Sequence[Device | Signed[DeviceCertificate]],
        tokens: Sequence[Token],
        expect: str = "ok",
        **more: Any,
    ) -> None:
        """One case of the check `offer`."""
        certificates = [one.certificate if isinstance(one, Device) else one for one in people]
        data = self.world.bundle(certificates, tokens).encode()
        self.cases.append(case(f"{id}-{self.suffix}", what, "offer", data, expect, **more))

    def forged(self, id: str, what: str, expect: str, whole: int = 3_000, **fields: Any) -> None:
        """An offer of C's in which B's transfer, rightly signed, has these fields."""
        forged = self.step(self.b, self.first, self.c, whole, **fields)
        named = {self.a.kid, self.b.kid, *(output.owner for output in forged.record.outputs)}
        people = [one for one in self.people if one.kid in named]
        self.offer(id, what, people, [(self.note, [self.first, forged])], expect)
