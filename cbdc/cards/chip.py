"""A SIMULATED chip: the plastic card, a phone or a watch. It holds a key, a count, and what it was told of its pocket.

No secure hardware: the key lies in memory like every key of this sandbox. What it does at its edge is what a chip
does: it signs one transfer for one purchase (`cbdc.cards.pocket`), its count rises before anything leaves it, it
knows no network, and it believes a pocket note only with the bank's signature.

    show    the purchase's fields go in, field 55 comes out: a signed transfer, or a question when it knows too little
    tell    field 55 of an answer goes in; a note of an older count changes nothing

Shown once for an attempt, shown the same for ever: a terminal that lost power asks again and gets the same bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards.pocket import (
    PocketNote,
    PocketQuestion,
    Shown,
    binding_of,
    sign_payment,
)
from cbdc.errors import Refused, TengeError
from cbdc.keys import PublicKey, Signer
from cbdc.record import Bytes, Group, Unsigned, open_envelope, sign

_STATE = Group((Unsigned(), Bytes()))
_STATES = "simulated chip"
_SHOWN = "simulated chip/shown"


class SimulatedChip:
    """One chip with its `number`. `bank_key` is the key whose pocket notes it believes, `inventory_kid` whom it pays
    when the bank converts."""

    def __init__(
        self,
        number: str,
        signer: Signer,
        cabinet: Cabinet,
        network: bytes,
        bank_key: PublicKey,
        inventory_kid: bytes,
        expires: str,
    ) -> None:
        self.number = number
        self.expires = expires
        self._signer = signer
        self._cabinet = cabinet
        self._network = network
        self._bank_key = bank_key
        self._inventory_kid = inventory_kid
        self._row = follow("chip", number.encode())

    def _state(self) -> tuple[int, bytes]:
        data = self._cabinet.get(_STATES, self._row)
        if data is None:
            return 0, b""
        values: tuple[Any, ...] = _STATE.load(canonical.decode(data), "chip")
        return values[0], values[1]

    @property
    def counter(self) -> int:
        """The last count it used."""
        return self._state()[0]

    def known(self) -> PocketNote | None:
        """What it was told last, or None."""
        data = self._state()[1]
        return open_envelope(data, PocketNote, self._network).record if data else None

    def pocket_kids(self) -> tuple[bytes, ...]:
        """The keys of its pocket as it was told: where a direct payment would be given back."""
        note = self.known()
        return note.lock if note else ()

    def known_tiyn(self, mark: bytes = b"") -> int:
        """How much of a mark it thinks the pocket has."""
        note = self.known()
        return sum(token.amount_tiyn for token in note.tokens if token.mark == mark) if note else 0

    def show(self, attempt: bytes, values: Mapping[int, str], mark: bytes = b"") -> bytes:
        """Field 55 for a purchase with these fields, in money of `mark`; E_CARD_FUNDS when it knows too little.

        `attempt` (32 bytes) names the attempt: the same again gives the same bytes.
        """

        def transfer(counter: int) -> bytes:
            note = self.known()
            amount = int(values[4])
            if note is None:
                raise Refused("E_CARD_FUNDS", available_tiyn=0, amount_tiyn=amount)
            payee = bytes.fromhex(values[48]) if 48 in values else self._inventory_kid
            nonce = binding_of(dict(values), counter)
            return sign_payment(self._signer, self._network, note, payee, amount, nonce, mark).encode()

        return self._show("shown", attempt, transfer)

    def ask(self, attempt: bytes, values: Mapping[int, str]) -> bytes:
        """Field 55 of a question for the pocket."""

        def question(counter: int) -> bytes:
            record = PocketQuestion(self.number, counter, binding_of(dict(values), counter))
            return sign(record, self._network, self._signer).encode()

        return self._show("asked", attempt, question)

    def _show(self, what: str, attempt: bytes, make: Callable[[int], bytes]) -> bytes:
        identity = follow(what, self._row, attempt)
        shown = self._cabinet.get(_SHOWN, identity)
        if shown is None:
            counter, note = self._state()
            shown = Shown(counter + 1, make(counter + 1)).encode()
            self._cabinet.put_many(
                [
                    Row(_STATES, self._row, canonical.encode([counter + 1, note])),
                    Row(_SHOWN, identity, shown),
                ]
            )
        return shown

    def tell(self, data: bytes) -> None:
        """Take a pocket note in. One that the bank did not sign, of another chip or of an older count: nothing."""
        counter, known = self._state()
        try:
            note = open_envelope(data, PocketNote, self._network)
            note.verify(self._bank_key)
        except TengeError:
            return
        before = open_envelope(known, PocketNote, self._network).record.counter if known else 0
        if note.record.number != self.number or note.record.counter < before:
            return
        self._cabinet.put_many([Row(_STATES, self._row, canonical.encode([counter, data]))])
