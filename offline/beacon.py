"""The beacon of the LOTTERY: chance that nobody knows before a note has closed and nobody chooses afterwards.

Each of several **parties** (the National Bank, the banks) draws one secret when settlement is set up and publishes its
**anchor**, the end of a hash chain over that secret. The chain is walked backwards, one link a day: the value of a day
is the hash of the next day's value, so a revealed value is checked against the anchor by hashing, and tells nothing of
the days to come. A note's fork is drawn with the values of the day after the note has closed, of all parties together:

    value(last day) = SHA-256(domain, secret)      value(day) = SHA-256(domain, value(day + 1))      anchor = day 0
    beacon(day)     = SHA-256(domain, day, the parties' values in order)
    winner          = the branch with the smallest SHA-256(beacon, fork, branch)

What follows, and what is assumed:

- ids that were ground before the close are ground blindly: the values are not out yet (attack list, R27);
- a party can neither change its value (the anchor stands) nor draw again; withholding it holds the case, for everybody
  and for ever, and cannot turn the outcome;
- **assumed**: at least one party keeps its secret until the day has come. If all of them collude with a thief, they
  know the winner beforehand. In this sandbox all secrets lie in one process, so the secrecy is simulated;
- a beacon does not stop a thief from buying more tickets: each own branch of a fork is one (R28 shows it for shares).

Source: DTO/1, section 5.11 (LOTTERY).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.record import OFFLINE_DOMAIN
from offline.archive import Archive
from offline.graph import Conflict
from offline.parameters import DAY_SECONDS

_DOMAIN = OFFLINE_DOMAIN + b"beacon\0"
DAYS = 3_650
VALUE_BYTES = 32
_ANCHORS = b"beacon anchors"
_VALUE = b"beacon value/"


def _step(value: bytes) -> bytes:
    return hashlib.sha256(_DOMAIN + b"step\0" + value).digest()


@cache
def _links(secret: bytes, days: int) -> tuple[bytes, ...]:
    values = [hashlib.sha256(_DOMAIN + b"secret\0" + secret).digest()]
    for _ in range(days):
        values.append(_step(values[-1]))
    return tuple(reversed(values))


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a party publishes when it commits: the value of day 0, and the moment (Unix seconds) at which it begins."""

    value: bytes
    begins: int

    def day_of(self, moment: int) -> int:
        """The number of the day in which a moment lies."""
        return (moment - self.begins) // DAY_SECONDS

    def check(self, day: int, value: bytes) -> None:
        """Return if `value` is the one this party committed to for that day; E_BEACON otherwise."""
        found = value
        for _ in range(day):
            found = _step(found)
        if not 1 <= day <= DAYS or len(value) != VALUE_BYTES or found != self.value:
            raise Refused("E_BEACON", day=day)


class BeaconParty:
    """One party's chain: made once from its secret, revealed day by day. The secret is simulated (see the module)."""

    def __init__(self, secret: bytes, begins: int) -> None:
        self._secret = secret
        self.anchor = Anchor(_links(secret, DAYS)[0], begins)

    def reveal(self, day: int, now: int) -> bytes:
        """The value of a day, not before that day has begun; E_BEACON_EARLY, and E_BEACON past the chain's end."""
        if not 1 <= day <= DAYS:
            raise Refused("E_BEACON", day=day)
        if now < self.anchor.begins + day * DAY_SECONDS:
            raise Refused("E_BEACON_EARLY", day=day)
        return _links(self._secret, DAYS)[day]


class Beacon(Protocol):
    """What a lottery asks: the parties' anchors, and their values of a day once they are out."""

    @property
    def anchors(self) -> Mapping[str, Anchor]:
        """Every party's commitment, by its name."""
        ...

    def values(self, day: int, now: int) -> Mapping[str, bytes]:
        """The values of that day which are out at `now`, by party; some or all may be missing."""
        ...


class SimulatedBeacon:
    """All parties in this process; those whose names are `silent` never reveal."""

    def __init__(self, parties: Mapping[str, BeaconParty], silent: Sequence[str] = ()) -> None:
        self._parties = dict(parties)
        self._silent = frozenset(silent)

    @property
    def anchors(self) -> Mapping[str, Anchor]:
        """Every party's commitment, by its name."""
        return {name: party.anchor for name, party in self._parties.items()}

    def values(self, day: int, now: int) -> Mapping[str, bytes]:
        """The values of that day, by party, once it has begun."""
        return {
            name: party.reveal(day, now)
            for name, party in self._parties.items()
            if name not in self._silent and now >= party.anchor.begins + day * DAY_SECONDS
        }


def simulated_beacon(secret: Callable[[str], bytes], names: Iterable[str], begins: int) -> SimulatedBeacon:
    """A beacon whose parties have these names, each with the secret that `secret` gives for its name."""
    return SimulatedBeacon({name: BeaconParty(secret(name), begins) for name in names})


def beacon_of(day: int, values: Mapping[str, bytes]) -> bytes:
    """The beacon of a day, 32 bytes, from all parties' values."""
    joined = b"".join(hashlib.sha256(name.encode()).digest() + values[name] for name in sorted(values))
    return hashlib.sha256(_DOMAIN + b"day\0" + day.to_bytes(8, "big") + joined).digest()


def winner(beacon: bytes, conflict: Conflict, branches: Sequence[bytes]) -> bytes:
    """The branch that a beacon draws at a fork: the one with the smallest SHA-256 over beacon, fork and branch."""
    fork = conflict.outpoint.previous + conflict.outpoint.position.to_bytes(1, "big")
    return min(branches, key=lambda name: hashlib.sha256(beacon + fork + name).digest())


class KeptBeacon:
    """A beacon as settlement keeps it: commitments when it is set up, values once and for ever, each checked."""

    def __init__(self, beacon: Beacon | None, archive: Archive) -> None:
        """Raises E_BEACON_ANCHOR when a party commits to another chain than before, or the parties have changed."""
        self._beacon = beacon
        self._archive = archive
        if beacon is not None:
            anchors = [[name, one.value, one.begins] for name, one in sorted(beacon.anchors.items())]
            made = canonical.encode(anchors)
            if archive.keep(_ANCHORS, made) != made:
                raise Refused("E_BEACON_ANCHOR")

    def after(self, moment: int, now: int) -> bytes | None:
        """The beacon of the day after a moment; None while a party's value is missing or not what it committed to."""
        if self._beacon is None:
            return None
        anchors = self._beacon.anchors
        day = max((one.day_of(moment) for one in anchors.values()), default=0) + 1
        found: dict[str, bytes] = {}
        for name in sorted(anchors):
            key = _VALUE + day.to_bytes(8, "big") + name.encode()
            value = self._archive.answer(key) or self._beacon.values(day, now).get(name)
            if value is None or not _fits(anchors[name], day, value):
                # A party that reveals another value holds the case like one that reveals none, and breaks nothing else.
                return None
            found[name] = self._archive.keep(key, value)
        return beacon_of(day, found)


def _fits(anchor: Anchor, day: int, value: bytes) -> bool:
    try:
        anchor.check(day, value)
    except Refused:
        return False
    return True
