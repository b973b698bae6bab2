"""What every adversary of the campaign is made of: a field to attack, chance, and a tally.

An adversary has an id of section 4 of the protocol, `strike` (one attacked payment) and `finish` (what it does before
everybody hands in). It really does what the table in the threat model says it can: nothing is only counted.
"""

import random
from collections.abc import Callable
from typing import Any, ClassVar

from cbdc.errors import TengeError
from cbdc.record import Signed
from offline.bundle import HeldToken
from offline.records import DeviceCertificate, Invoice
from tests.campaign.field import Field, Tally
from tests.campaign.people import Person, Piece, bundle

# Who is revoked, or holds money from one who is, is refused before anything else is asked.
STANDING = ("E_REVOKED", "E_CA", "E_TAINTED")


class Adversary:
    """One of A1 to A12; see the module's text."""

    ID: ClassVar[str]
    WHO: ClassVar[str]
    RARE: ClassVar[tuple[str, ...]] = ()

    def __init__(self, field: Field, tally: Tally, chance: random.Random) -> None:
        self.field = field
        self.tally = tally
        self.chance = chance
        self.number = 0

    @property
    def now(self) -> int:
        return self.field.clock.now()

    def strike(self) -> None:
        """Attack one payment."""
        kinds: list[Callable[[], None]] = [
            getattr(self, name) for name in sorted(dir(self)) if name.startswith("by_")
        ]
        kind = kinds[self.number % len(kinds)]
        if kind.__name__ in self.RARE and self.number // len(kinds) % 4:
            kind = kinds[(self.number + 1) % len(kinds)]
        self.number += 1
        self.tally.payments += 1
        self.tally.more[kind.__name__] += 1
        kind()

    def finish(self) -> None:
        """What is left to do before everybody hands in."""

    # --- tools ---

    def try_to(self, call: Callable[[], Any]) -> Any:
        """One attack: what it gave, or None when it was refused (with its code in the tally)."""
        self.tally.tried += 1
        try:
            return call()
        except TengeError as refusal:
            self.tally.refused[refusal.code] += 1
            return None

    def must_fail(self, call: Callable[[], Any], *codes: str) -> None:
        """An attack that no honest party may let pass; it fails with one of `codes` (any code when none is given)."""
        self.tally.tried += 1
        code = ""
        try:
            call()
        except TengeError as refusal:
            code = refusal.code
        assert code, f"{self.ID}: an attack was taken for honest"
        assert not codes or code in {*codes, *STANDING}, f"{self.ID}: {code}, not {codes}"
        self.tally.refused[code] += 1

    def certificates(self, kid: bytes) -> list[Signed[DeviceCertificate]]:
        """The certificates of a key, as settlement knows them."""
        return [self.field.directory[kid]]

    def prepared(self) -> tuple[Person, Person, bytes, Signed[Invoice]]:
        """An honest payment up to its message; the payer gets money if it has none."""
        while True:
            payer, payee = self.field.two()
            piece = next((piece for piece in payer.pieces if payer.can_move(piece)), None)
            if piece is None:
                self.field.load_person(payer, self.field.owners[payer.kid], 10)
                piece = payer.pieces[-1]
            most = min(piece.amount_tiyn, 2_000)
            made = self.field.start_payment(payer, payee, self.chance.randint(1, most))
            if made is not None:
                return payer, payee, *made
            payee.trust = payer.trust = self.field.centre.trust_view

    def funded(self) -> Person:
        """An honest person with money that may move."""
        person = self.field.two()[0]
        if person.must_sync:
            self.field.sync_person(person)
        if not any(person.can_move(piece) for piece in person.pieces):
            self.field.load_person(person, self.field.owners[person.kid], 10)
        return person

    def show(self, piece: Piece, *transfers: Any) -> bytes:
        """The bundle of a line with further transfers."""
        line = HeldToken(piece.line.note, (*piece.line.transfers, *transfers))
        return bundle([line], self.field.directory)
