"""Paying by phone number: a directory of the banks, in which numbers are found one by one and never listed.

A number leads to a holder's key; the ledger never sees it. The directory keeps a keyed hash of each number (its
secret is the directory's own), so whoever reads its rows cannot try all numbers on them, and nothing lists what is
there. Who asks is a registered holder, and may ask for so many numbers a day (`alias_lookups`), found or not; a
number nobody has and one that was removed get the same answer.

    claim     a holder's key is to be found under a number: signed by that key, and the holder's bank has checked that
              the number is the holder's (simulated: the caller's word)
    move      to another key, perhaps at another bank: signed by the key it leads to now, so the bank that is left
              cannot prevent it
    remove    signed by the key it leads to now
    resolve   the present key: a rotated or recovered key is followed to its successor

A claim for a number that leads to another holder is refused (E_ALIAS_TAKEN); the bank must never decide between two
people. One lookup has an id of the asker's making: the same id gives the same answer and counts once.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Malformed, Refused
from cbdc.gateway import Freezes, Gateway
from cbdc.ledger.state import RegisteredKey
from cbdc.opening_hours import DAY_SECONDS
from cbdc.orders import HolderProof
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.ports import Clock
from cbdc.record import HASH, HASH_OR_NONE, Group, Signed, Unsigned, open_envelope

PROOF_SECONDS = 600

_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")
_HELD = "alias.held"
_ASKED = "alias.asked"
_COUNTS = "alias.count"
_ANSWER = Group((HASH, HASH_OR_NONE))


def normal(number: str) -> str:
    """A phone number in its one form, +77010000000; blanks, dashes and brackets do not matter. E_ALIAS_NUMBER."""
    found = re.sub(r"[\s()-]", "", number) if len(number) <= 40 else ""
    if _NUMBER.fullmatch(found) is None:
        raise Malformed("E_ALIAS_NUMBER")
    return found


def claim_purpose(number: str) -> str:
    """What the key signs to be found under a number."""
    return f"alias claim {_digest(number)}"


def move_purpose(number: str, kid: bytes) -> str:
    """What the present key signs to send the number to another key."""
    return f"alias move {_digest(number)} {kid.hex()[:32]}"


def remove_purpose(number: str) -> str:
    """What the present key signs to take the number out."""
    return f"alias remove {_digest(number)}"


def _digest(number: str) -> str:
    # A proof is bound to its number by a hash, so that the number stands in no signed record in clear.
    return hashlib.sha256(b"kzt-dt/alias/v1\0" + normal(number).encode()).hexdigest()[:32]


class AliasDirectory:
    """The directory. `secret` is 32 bytes of its own, `lookups_a_day` the rule `alias_lookups` (None: no limit)."""

    def __init__(
        self, gateway: Gateway, cabinet: Cabinet, secret: bytes, clock: Clock, lookups_a_day: int | None
    ) -> None:
        self._gateway = gateway
        self._cabinet = cabinet
        self._secret = HASH.load(secret, "secret")
        self._clock = clock
        self._lookups_a_day = lookups_a_day

    def claim(self, number: str, proof: Signed[HolderProof]) -> None:
        """Let the key that signed `proof` be found under a number; the same holder again may name another of its keys.

        Raises E_ALIAS_NUMBER, E_ALIAS_PROOF, E_SIG, E_KEY_UNKNOWN, E_KEY_RETIRED, E_ALIAS_TAKEN, E_FROZEN.
        """
        kid = self._proven(proof, claim_purpose(number), proof.record.kid)
        mine = self._key(kid)
        if mine.successor:
            raise Refused("E_KEY_RETIRED", kid=kid)
        before = self._cabinet.get(_HELD, self._tag(number))
        if before is not None:
            present = self._key(self._present(before))
            if (present.pseudonym, present.category) != (mine.pseudonym, mine.category):
                raise Refused("E_ALIAS_TAKEN")
        self._cabinet.put_many([Row(_HELD, self._tag(number), kid)])

    def move(self, number: str, kid: bytes, proof: Signed[HolderProof]) -> None:
        """Send a number to another registered key; signed by the key it leads to now. Moved already: nothing.

        Raises E_ALIAS_NUMBER, E_ALIAS_UNKNOWN, E_ALIAS_PROOF, E_SIG, E_KEY_UNKNOWN, E_KEY_RETIRED,
        E_FROZEN.
        """
        present = self._held(number)
        if present == kid:
            return
        self._proven(proof, move_purpose(number, kid), present)
        if self._key(kid).successor:
            raise Refused("E_KEY_RETIRED", kid=kid)
        self._cabinet.put_many([Row(_HELD, self._tag(number), kid)])

    def remove(self, number: str, proof: Signed[HolderProof]) -> None:
        """Take a number out; signed by the key it leads to.

        Raises E_ALIAS_NUMBER, E_ALIAS_UNKNOWN, E_ALIAS_PROOF, E_SIG, E_FROZEN.
        """
        self._proven(proof, remove_purpose(number), self._held(number))
        self._cabinet.put_many([Row(_HELD, self._tag(number), None)])

    def resolve(self, id: bytes, asker: bytes, number: str) -> bytes:
        """The key id that is paid under a number now, for the holder of the registered key `asker`.

        The same `id` gives the same answer and counts once. Raises E_ALIAS_NUMBER, E_KEY_UNKNOWN, E_ALIAS_RATE,
        E_ALIAS_UNKNOWN, E_ID_REUSED.
        """
        tag = self._tag(number)
        holder = self._key(asker).pseudonym
        # An id is its asker's own: another holder's answer would be a lookup that nobody counted.
        name = follow("lookup", holder, HASH.load(id, "lookup id"))
        known = self._cabinet.get(_ASKED, name)
        if known is None:
            held = self._cabinet.get(_HELD, tag)
            found = b"" if held is None else self._present(held)
            rows = [self._count(holder), Row(_ASKED, name, canonical.encode([tag, found]))]
            self._cabinet.put_many(rows)
        else:
            before, found = _ANSWER.load(canonical.decode(known), "lookup")
            if before != tag:
                raise Refused("E_ID_REUSED", id=id)
        if not found:
            raise Refused("E_ALIAS_UNKNOWN")
        return bytes(found)

    def numbers_of(self, kids: Sequence[bytes]) -> int:
        """How many phone numbers lead to these keys now: a number of numbers, never which."""
        held = [kid for _, kid in self._cabinet.all(_HELD)]
        return sum(1 for kid in held if self._present(kid) in kids)

    def _count(self, pseudonym: bytes) -> Row:
        day = (self._clock.now() + UTC_PLUS_5_SECONDS) // DAY_SECONDS
        name = pseudonym + day.to_bytes(8, "big")
        data = self._cabinet.get(_COUNTS, name)
        asked = 0 if data is None else Unsigned().load(canonical.decode(data), "asked")
        if self._lookups_a_day is not None and asked >= self._lookups_a_day:
            raise Refused("E_ALIAS_RATE", limit=self._lookups_a_day)
        return Row(_COUNTS, name, canonical.encode(asked + 1))

    def _tag(self, number: str) -> bytes:
        return hmac.new(self._secret, normal(number).encode(), hashlib.sha256).digest()

    def _held(self, number: str) -> bytes:
        held = self._cabinet.get(_HELD, self._tag(number))
        if held is None:
            raise Refused("E_ALIAS_UNKNOWN")
        return self._present(held)

    def _key(self, kid: bytes) -> RegisteredKey:
        key = self._gateway.registered(kid)
        if key is None:
            raise Refused("E_KEY_UNKNOWN", kid=kid)
        return key

    def _present(self, kid: bytes) -> bytes:
        while successor := self._key(kid).successor:
            kid = successor
        return kid

    def _proven(self, proof: Signed[HolderProof], purpose: str, kid: bytes) -> bytes:
        """The key id, if that very key said just this just now; E_ALIAS_PROOF or E_SIG otherwise.

        E_FROZEN for a frozen holder: who stole a wallet must not take its number along.
        """
        proof = open_envelope(proof.envelope(), HolderProof, self._gateway.network)
        said = (proof.record.kid, proof.record.purpose)
        if said != (kid, purpose) or abs(proof.record.time - self._clock.now()) > PROOF_SECONDS:
            raise Refused("E_ALIAS_PROOF", kid=proof.record.kid)
        known = self._key(kid)
        proof.verify(known.key)
        if isinstance(self._gateway, Freezes) and (reference := self._gateway.frozen(known.pseudonym)):
            raise Refused("E_FROZEN", holder=known.pseudonym, legal_reference=reference)
        return kid
