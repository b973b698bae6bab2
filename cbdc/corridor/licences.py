"""Who may work in the corridor: the regulator's register of licences (simulated), and the gate that asks it.

Everything is denied unless a licence is in force at this second:

    applied -> in force <-> suspended
       |          |             |
       v          v             v
    withdrawn   withdrawn, expired           (both for ever; a new application has a new number)

The register signs a statement each time it is asked. The gate believes the one key it was given, for the network it
belongs to, and keeps the highest serial it has seen, so an older statement cannot be shown again. What it cannot ask
(the register is silent) it denies. A withdrawn licence therefore stops the very next call.

The register is a stand-in for the licence register of the AIFC's regulator; its states are those of the rulebook as
far as they are public, and which call needs which activity is our assumption (`docs/corridor.md`, what the sources
say).
"""

from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.corridor.records import (
    ACTIVITY_NAMES,
    APPLIED,
    EXPIRED,
    IN_FORCE,
    STATE_NAMES,
    SUSPENDED,
    WITHDRAWN,
    LicenceStatement,
)
from cbdc.errors import Refused, Unavailable
from cbdc.keys import PublicKey, Signer
from cbdc.ports import Clock
from cbdc.record import HASH, MOMENT, Group, Text, Unsigned, open_envelope, sign

_MOVES: dict[int, tuple[int, ...]] = {
    APPLIED: (IN_FORCE, WITHDRAWN),
    IN_FORCE: (SUSPENDED, WITHDRAWN, EXPIRED),
    SUSPENDED: (IN_FORCE, WITHDRAWN, EXPIRED),
    WITHDRAWN: (),
    EXPIRED: (),
}
_ENDED = (WITHDRAWN, EXPIRED)

_LICENCES = "licences/licence"
_ACTS = "licences/act"
_ROW = Group((Unsigned(APPLIED, EXPIRED), Text(), MOMENT, MOMENT, Unsigned(1)))


class Licence(NamedTuple):
    """How one licence stands in the register: state, number, period (virtual seconds), serial of the last change."""

    state: int
    number: str
    valid_from: int
    expires: int
    serial: int

    def state_at(self, now: int) -> int:
        """The state at a moment: what ran out has expired, whether or not anybody wrote it down."""
        return EXPIRED if self.state in (IN_FORCE, SUSPENDED) and now > self.expires else self.state


class SimulatedLicenceRegister:
    """The regulator's register. Set `silent` to see what happens when it does not answer."""

    def __init__(self, cabinet: Cabinet, network: bytes, signer: Signer, clock: Clock) -> None:
        self._cabinet = cabinet
        self._network = network
        self._signer = signer
        self._clock = clock
        self.silent = False

    @property
    def key(self) -> PublicKey:
        """The key its statements are signed with."""
        return self._signer.public

    def apply(self, id: bytes, provider: bytes, activity: int, number: str) -> Licence:
        """A provider (key id) applies. Once per `id`; E_CORRIDOR_LICENCE_STATE while it has a licence that has not
        ended.
        """
        known = self._find(provider, activity)
        done = self._done(id, [provider, activity, number])
        if done and known:
            return known
        if known and known.state_at(self._clock.now()) not in _ENDED:
            raise self._wrong(activity, known.state, APPLIED)
        serial = known.serial + 1 if known else 1
        return self._write(
            id, provider, activity, [provider, activity, number], Licence(APPLIED, number, 0, 0, serial)
        )

    def move(self, id: bytes, provider: bytes, activity: int, state: int, expires: int = 0) -> Licence:
        """The regulator changes a licence's state; granting it names the last second. Once per `id`.

        Raises E_CORRIDOR_LICENCE_UNKNOWN, E_CORRIDOR_LICENCE_STATE for a change that the rulebook does not have,
        E_ID_REUSED.
        """
        known = self._find(provider, activity)
        content = [provider, activity, state, expires]
        done = self._done(id, content)
        if known is None:
            raise Refused("E_CORRIDOR_LICENCE_UNKNOWN", provider=provider, activity=ACTIVITY_NAMES[activity])
        if done:
            return known
        now = self._clock.now()
        if state not in _MOVES[known.state_at(now)]:
            raise self._wrong(activity, known.state_at(now), state)
        granted = known.state == APPLIED and state == IN_FORCE
        period = (now, expires) if granted else (known.valid_from, known.expires)
        return self._write(
            id, provider, activity, content, Licence(state, known.number, *period, known.serial + 1)
        )

    def statement(self, provider: bytes, activity: int) -> bytes:
        """The signed statement of this moment; E_CORRIDOR_LICENCE_UNKNOWN, or E_CORRIDOR_LICENCE_SILENT when nobody
        answers.
        """
        if self.silent:
            raise Unavailable("E_CORRIDOR_LICENCE_SILENT", activity=ACTIVITY_NAMES[activity])
        known = self._find(provider, activity)
        if known is None:
            raise Refused("E_CORRIDOR_LICENCE_UNKNOWN", provider=provider, activity=ACTIVITY_NAMES[activity])
        now = self._clock.now()
        record = LicenceStatement(
            self.key.kid,
            provider,
            activity,
            known.state_at(now),
            known.number,
            known.valid_from,
            known.expires,
            known.serial,
            now,
        )
        return sign(record, self._network, self._signer).encode()

    def _wrong(self, activity: int, before: int, after: int) -> Refused:
        return Refused(
            "E_CORRIDOR_LICENCE_STATE",
            activity=ACTIVITY_NAMES[activity],
            before=STATE_NAMES[before],
            after=STATE_NAMES[after],
        )

    def _find(self, provider: bytes, activity: int) -> Licence | None:
        data = self._cabinet.get(_LICENCES, _name(HASH.load(provider, "provider"), activity))
        if data is None:
            return None
        values: tuple[Any, ...] = _ROW.load(canonical.decode(data), "licence")
        return Licence(*values)

    def _done(self, id: bytes, content: list[object]) -> bool:
        before = self._cabinet.get(_ACTS, HASH.load(id, "act id"))
        if before is not None and before != canonical.encode(content):
            raise Refused("E_ID_REUSED", id=id)
        return before is not None

    def _write(
        self, id: bytes, provider: bytes, activity: int, content: list[object], licence: Licence
    ) -> Licence:
        self._cabinet.put_many(
            [
                Row(_LICENCES, _name(provider, activity), canonical.encode(list(licence))),
                Row(_ACTS, id, canonical.encode(content)),
            ]
        )
        return licence


def _name(provider: bytes, activity: int) -> bytes:
    return follow("licence", provider, bytes([activity]))


class Gate:
    """What every call of the corridor asks first. `on` False leaves the rule out, to see what it is for."""

    def __init__(
        self,
        register: SimulatedLicenceRegister,
        register_key: PublicKey,
        network: bytes,
        cabinet: Cabinet,
        clock: Clock,
        on: bool = True,
    ) -> None:
        self._register = register
        self._key = register_key
        self._network = network
        self._cabinet = cabinet
        self._clock = clock
        self._on = on

    def require(self, provider: bytes, activity: int) -> None:
        """Return if the provider's licence for the activity is in force now.

        Raises E_CORRIDOR_LICENCE (with the state), E_CORRIDOR_LICENCE_UNKNOWN, E_CORRIDOR_LICENCE_STALE, E_SIG, or
        E_CORRIDOR_LICENCE_SILENT.
        """
        if self._on:
            self.check(provider, activity, self._register.statement(provider, activity))

    def check(self, provider: bytes, activity: int, statement: bytes) -> LicenceStatement:
        """Judge one statement, wherever it came from; the errors of `require`."""
        signed = open_envelope(statement, LicenceStatement, self._network)
        signed.verify(self._key)
        record = signed.record
        if (record.register, record.provider, record.activity) != (self._key.kid, provider, activity):
            raise Refused("E_CORRIDOR_LICENCE_UNKNOWN", provider=provider, activity=ACTIVITY_NAMES[activity])
        name = _name(provider, activity)
        seen = self._cabinet.get("licences/seen", name)
        newest = int.from_bytes(seen, "big") if seen else 0
        if record.serial < newest:
            raise Refused("E_CORRIDOR_LICENCE_STALE", serial=record.serial, newest=newest)
        if record.serial > newest:
            self._cabinet.put_many([Row("licences/seen", name, record.serial.to_bytes(8, "big"))])
        now = self._clock.now()
        state = EXPIRED if record.state == IN_FORCE and now > record.expires else record.state
        if state != IN_FORCE or now < record.valid_from:
            raise Refused("E_CORRIDOR_LICENCE", activity=ACTIVITY_NAMES[activity], state=STATE_NAMES[state])
        return record
